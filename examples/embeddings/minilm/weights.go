package minilm

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
)

// weights has the tensors of a safetensors file, by name.
type weights map[string]weight

// weight is a tensor of 32-bit floats, row by row.
type weight struct {
	dims []int64
	raw  []byte // little-endian
}

// readWeights reads a safetensors file: 8 bytes with the length of a JSON object, the object,
// which says where each tensor is, and the tensors. It returns those that MiniLM needs.
func readWeights(file []byte) (weights, error) {
	if len(file) < 8 {
		return nil, fmt.Errorf("must begin with the length of its header in 8 bytes, found %d bytes", len(file))
	}
	length := binary.LittleEndian.Uint64(file)
	if length > uint64(len(file)-8) {
		return nil, fmt.Errorf("its header has %d bytes, but the file ends after %d", length, len(file)-8)
	}
	var header map[string]struct {
		DType   string   `json:"dtype"`
		Shape   []int64  `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(file[8:8+length], &header); err != nil {
		return nil, fmt.Errorf("its header: %w", err)
	}
	data, all := file[8+length:], weights{}
	for name, dims := range needed() {
		found, ok := header[name]
		from, to := found.Offsets[0], found.Offsets[1]
		size := int64(4)
		for _, d := range dims {
			size *= d
		}
		switch {
		case !ok:
			return nil, fmt.Errorf("tensor %s is missing", name)
		case found.DType != "F32" || !slices.Equal(found.Shape, dims):
			return nil, fmt.Errorf("tensor %s: must be F32 %v, found %s %v", name, dims, found.DType, found.Shape)
		case from < 0 || to > int64(len(data)) || to-from != size:
			return nil, fmt.Errorf("tensor %s: must have %d bytes, found those from %d to %d of %d", name, size, from, to, len(data))
		}
		all[name] = weight{dims, data[from:to]}
	}
	return all, nil
}

// needed returns the shapes of the tensors that MiniLM needs.
func needed() map[string][]int64 {
	const d, inner = Dimensions, 4 * Dimensions
	shapes := map[string][]int64{
		"embeddings.word_embeddings.weight":       {vocabulary, d},
		"embeddings.position_embeddings.weight":   {positions, d},
		"embeddings.token_type_embeddings.weight": {2, d},
	}
	norm := func(name string) { shapes[name+".weight"], shapes[name+".bias"] = []int64{d}, []int64{d} }
	linear := func(name string, out, in int64) {
		shapes[name+".weight"], shapes[name+".bias"] = []int64{out, in}, []int64{out}
	}
	norm("embeddings.LayerNorm")
	for i := range layers {
		layer := fmt.Sprintf("encoder.layer.%d.", i)
		for _, part := range []string{"self.query", "self.key", "self.value", "output.dense"} {
			linear(layer+"attention."+part, d, d)
		}
		norm(layer + "attention.output.LayerNorm")
		linear(layer+"intermediate.dense", inner, d)
		linear(layer+"output.dense", d, inner)
		norm(layer + "output.LayerNorm")
	}
	return shapes
}
