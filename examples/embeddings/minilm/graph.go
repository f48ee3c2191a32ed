package minilm

import (
	"fmt"
	"math"
)

// The sizes of MiniLM-L6-H384, as its config.json has them.
const (
	Dimensions = 384 // of an embedding
	layers     = 6
	heads      = 12
	perHead    = Dimensions / heads
	positions  = 512
	epsilon    = 1e-12
)

// The names of the graph's inputs and of its output.
const (
	idsInput  = "input_ids"
	maskInput = "attention_mask"
	output    = "sentence_embedding"
)

// graph is a GraphProto under construction.
type graph struct {
	message
	weights weights
	made    int             // nodes, which name their outputs
	known   map[string]bool // the initializers
}

// onnxModel returns the model as an ONNX file: from token ids and their mask to the mean of the
// last layer over the tokens, scaled to length 1, as sentence-transformers computes it.
func onnxModel(w weights) []byte {
	g := &graph{weights: w, known: map[string]bool{}}
	g.string(2, "all-MiniLM-L6-v2")
	g.bytes(11, value(idsInput, int64s, "batch", "tokens"))
	g.bytes(11, value(maskInput, int64s, "batch", "tokens"))
	g.bytes(12, value(output, floats, "batch", Dimensions))
	mask := g.node("Cast", of(maskInput), attribute("to", floats))
	x := g.embed()
	bias := g.maskBias(mask)
	for i := range layers {
		x = g.layer(fmt.Sprintf("encoder.layer.%d.", i), x, bias)
	}
	g.pool(x, mask)

	var opset, model message
	opset.int(2, 17)
	model.int(1, 8) // the version of the format
	model.string(2, "ekiben")
	model.bytes(7, g.message)
	model.bytes(8, opset)
	return model
}

// embed adds the embeddings of the words, of their positions, and of the first segment.
func (g *graph) embed() string {
	words := g.node("Gather", of(g.weight("embeddings.word_embeddings.weight"), idsInput))
	shape := g.node("Shape", of(idsInput))
	length := g.node("Slice", of(shape, g.ints("1", 1), g.ints("2", 2), g.ints("0", 0)))
	places := g.weight("embeddings.position_embeddings.weight")
	places = g.node("Slice", of(places, g.ints("0", 0), length, g.ints("0", 0)))
	first := g.node("Slice", of(g.weight("embeddings.token_type_embeddings.weight"), g.ints("0", 0), g.ints("1", 1), g.ints("0", 0)))
	x := g.node("Add", of(words, first))
	return g.norm("embeddings.LayerNorm", g.node("Add", of(x, places)))
}

// maskBias returns what is added to the scores of attention: 0 for a token, and the lowest
// number for padding.
func (g *graph) maskBias(mask string) string {
	wide := g.node("Unsqueeze", of(mask, g.ints("1,2", 1, 2)))
	return g.node("Mul", of(g.node("Sub", of(g.float("one", 1), wide)), g.float("lowest", -math.MaxFloat32)))
}

// layer adds a layer of the encoder.
func (g *graph) layer(name, x, bias string) string {
	split := func(part string) string {
		y := g.linear(name+"attention.self."+part, x)
		y = g.node("Reshape", of(y, g.ints("heads", 0, 0, heads, perHead)))
		return g.node("Transpose", of(y), attribute("perm", []int{0, 2, 1, 3}))
	}
	query, value := split("query"), split("value")
	key := g.linear(name+"attention.self.key", x)
	key = g.node("Reshape", of(key, g.ints("heads", 0, 0, heads, perHead)))
	key = g.node("Transpose", of(key), attribute("perm", []int{0, 2, 3, 1}))
	scores := g.node("Div", of(g.node("MatMul", of(query, key)), g.float("scale", float32(math.Sqrt(perHead)))))
	scores = g.node("Softmax", of(g.node("Add", of(scores, bias))), attribute("axis", -1))
	y := g.node("Transpose", of(g.node("MatMul", of(scores, value))), attribute("perm", []int{0, 2, 1, 3}))
	y = g.node("Reshape", of(y, g.ints("joined", 0, 0, Dimensions)))
	y = g.linear(name+"attention.output.dense", y)
	x = g.norm(name+"attention.output.LayerNorm", g.node("Add", of(y, x)))
	y = g.gelu(g.linear(name+"intermediate.dense", x))
	return g.norm(name+"output.LayerNorm", g.node("Add", of(g.linear(name+"output.dense", y), x)))
}

// gelu is x/2 · (1 + erf(x/√2)).
func (g *graph) gelu(x string) string {
	erf := g.node("Erf", of(g.node("Div", of(x, g.float("root", math.Sqrt2)))))
	return g.node("Mul", of(g.node("Mul", of(x, g.node("Add", of(erf, g.float("one", 1))))), g.float("half", 0.5)))
}

func (g *graph) linear(name, x string) string {
	return g.node("Add", of(g.node("MatMul", of(x, g.transposed(name+".weight"))), g.weight(name+".bias")))
}

func (g *graph) norm(name, x string) string {
	return g.node("LayerNormalization", of(x, g.weight(name+".weight"), g.weight(name+".bias")),
		attribute("axis", -1), attribute("epsilon", float32(epsilon)))
}

// pool ends the graph: the mean over the tokens, divided by its length. hugot has
// no sum, so both means are over all places; their quotient is the mean over the tokens.
func (g *graph) pool(x, mask string) {
	wide := g.node("Unsqueeze", of(mask, g.ints("2", 2)))
	axis := attribute("axes", []int{1})
	mean := g.node("Div", of(g.node("ReduceMean", of(g.node("Mul", of(x, wide))), axis, attribute("keepdims", 0)),
		g.node("ReduceMean", of(wide), axis, attribute("keepdims", 0))))
	square := g.node("ReduceMean", of(g.node("Mul", of(mean, mean))), attribute("axes", []int{1}), attribute("keepdims", 1))
	length := g.node("Sqrt", of(g.node("Mul", of(square, g.float("dimensions", Dimensions)))))
	g.add("Div", of(mean, length), output)
}

func of(inputs ...string) []string { return inputs }

// node adds a node and returns the name of its output.
func (g *graph) node(op string, inputs []string, attributes ...message) string {
	g.made++
	name := fmt.Sprintf("%s_%d", op, g.made)
	g.add(op, inputs, name, attributes...)
	return name
}

func (g *graph) add(op string, inputs []string, out string, attributes ...message) {
	var m message
	for _, one := range inputs {
		m.string(1, one)
	}
	m.string(2, out)
	m.string(3, out)
	m.string(4, op)
	for _, one := range attributes {
		m.bytes(5, one)
	}
	g.bytes(1, m)
}

// weight adds a tensor of the weights file, if it is not there, and returns its name.
func (g *graph) weight(name string) string {
	t := g.weights[name]
	g.initialize(name, floats, t.dims, t.raw)
	return name
}

// transposed adds a matrix of the weights file, which has a row for each output, as MatMul
// needs it.
func (g *graph) transposed(name string) string {
	t := g.weights[name]
	rows, columns := t.dims[0], t.dims[1]
	raw := make([]byte, 0, len(t.raw))
	for c := range columns {
		for r := range rows {
			at := 4 * (r*columns + c)
			raw = append(raw, t.raw[at:at+4]...)
		}
	}
	g.initialize(name, floats, []int64{columns, rows}, raw)
	return name
}

func (g *graph) float(name string, v float32) string {
	g.initialize(name, floats, nil, rawFloats(v))
	return name
}

func (g *graph) ints(name string, v ...int64) string {
	g.initialize("ints:"+name, int64s, []int64{int64(len(v))}, rawInts(v...))
	return "ints:" + name
}

func (g *graph) initialize(name string, elements int64, dims []int64, raw []byte) {
	if !g.known[name] {
		g.known[name] = true
		g.bytes(5, tensor(name, elements, dims, raw))
	}
}
