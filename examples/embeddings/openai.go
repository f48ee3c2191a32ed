package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"

	"github.com/ekiben-serving/ekiben/examples/embeddings/minilm"
	"github.com/ekiben-serving/ekiben/runtime"
)

// embeddingsRequest is the body of OpenAI's POST /v1/embeddings.
type embeddingsRequest struct {
	Input      input  `json:"input" doc:"A text, a list of texts, a list of tokens of the model's vocabulary, or a list of such lists." example:"[\"a text\"]"`
	Model      string `json:"model" doc:"Is sent back." default:"all-MiniLM-L6-v2"`
	Format     string `json:"encoding_format" enum:"float,base64" default:"float" doc:"base64: 32-bit floats, little-endian."`
	Dimensions *int   `json:"dimensions" minimum:"1" maximum:"384" doc:"Numbers of an embedding, 384 by default. A shorter one is cut, and has length 1 again."`
	User       string `json:"user,omitempty" doc:"Has no effect."`
}

// input is what OpenAI's parameter of this name may be: a list of texts or of tokens, or one.
type input struct {
	texts  []string
	tokens [][]int32
}

func (in *input) UnmarshalJSON(data []byte) error {
	var one string
	var tokens []int32
	switch {
	case bytes.HasPrefix(data, []byte(`"`)):
		in.texts = []string{one}
		return json.Unmarshal(data, &in.texts[0])
	case json.Unmarshal(data, &in.texts) == nil && len(in.texts) > 0:
	case json.Unmarshal(data, &tokens) == nil && len(tokens) > 0:
		in.tokens, in.texts = [][]int32{tokens}, nil
	case json.Unmarshal(data, &in.tokens) == nil && len(in.tokens) > 0:
		in.texts = nil
	default:
		return errors.New("must be a text, a list of texts, a list of tokens, or a list of such lists, and not empty")
	}
	return nil
}

// embeddings is the response.
type embeddings struct {
	Object string      `json:"object"`
	Data   []embedding `json:"data"`
	Model  string      `json:"model"`
	Usage  usage       `json:"usage"`
}

type embedding struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"` // []float32, or their bytes in base64
}

type usage struct {
	Prompt int `json:"prompt_tokens"`
	Total  int `json:"total_tokens"`
}

// openAI is POST /v1/embeddings. What it embeds joins the batches of both other APIs.
func (e *embedder) openAI(ctx context.Context, in embeddingsRequest) (*embeddings, error) {
	vectors, used, err := e.embed(ctx, in.Input)
	if err != nil {
		return nil, err
	}
	out := &embeddings{Object: "list", Model: in.Model}
	for i, vector := range vectors {
		if in.Dimensions != nil {
			vector = shorten(vector, *in.Dimensions)
		}
		one := embedding{"embedding", i, vector}
		if in.Format == "base64" {
			one.Embedding = base64.StdEncoding.EncodeToString(littleEndian(vector))
		}
		out.Data = append(out.Data, one)
	}
	out.Usage = usage{used, used}
	runtime.GenAI(ctx).Model(minilm.Name).Operation("embeddings").Tokens(used, 0)
	return out, nil
}

// embed returns the embeddings of an input, and how many tokens it has.
func (e *embedder) embed(ctx context.Context, in input) (vectors [][]float32, used int, err error) {
	for _, text := range in.texts {
		used += len(e.model.Encode(text))
	}
	if in.texts != nil {
		vectors, err = e.texts.Call(ctx, in.texts)
		return vectors, used, err
	}
	for _, list := range in.tokens {
		used += len(list)
	}
	vectors, err = e.tokens.Call(ctx, in.tokens)
	return vectors, used, err
}

// shorten returns the beginning of a vector, with length 1.
func shorten(vector []float32, dimensions int) []float32 {
	vector = append([]float32{}, vector[:dimensions]...)
	sum := 0.0
	for _, v := range vector {
		sum += float64(v) * float64(v)
	}
	for i := range vector {
		vector[i] /= float32(math.Sqrt(sum))
	}
	return vector
}

func littleEndian(vector []float32) []byte {
	data := make([]byte, 0, 4*len(vector))
	for _, v := range vector {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}
