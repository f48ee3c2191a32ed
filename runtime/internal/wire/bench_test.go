package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func BenchmarkDecode(b *testing.B) {
	type echo struct {
		Text string `json:"text"`
	}
	type vector struct {
		Xs []float64 `json:"xs"`
	}
	numbers := "[" + strings.TrimSuffix(strings.Repeat("0.123456,", 7000), ",") + "]"
	for name, text := range map[string]string{"22B": "hello there", "4KB": strings.Repeat("x", 4096), "64KB": strings.Repeat("x", 65536)} {
		benchDecode[echo](b, name, `{"text":"`+text+`"}`)
	}
	benchDecode[vector](b, "floats", `{"xs":`+numbers+`}`)
}

func benchDecode[T any](b *testing.B, name, body string) {
	in := mustInput[T](b)
	b.Run(name+"/encoding_json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v T
			check.Must(b, json.NewDecoder(strings.NewReader(body)).Decode(&v))
		}
	})
	b.Run(name+"/wire", func(b *testing.B) {
		data := []byte(body)
		b.ReportAllocs()
		for b.Loop() {
			var v T
			check.Must(b, in.Decode(b.Context(), data, Files{}, &v))
		}
	})
}

// BenchmarkFlat is the figure by which flat and flatOut are kept: the same small
// bodies with them and without.
func BenchmarkFlat(b *testing.B) {
	type echo struct {
		Text string `json:"text"`
	}
	type query struct {
		Text  string  `json:"text" minLength:"1"`
		Count int     `json:"count" default:"3"`
		Least float64 `json:"least" minimum:"0"`
	}
	benchFlat(b, "one", mustInput[echo](b), `{"text":"hello"}`)
	benchFlat(b, "three", mustInput[query](b), `{"text":"hello there","count":5,"least":0.5}`)
}

func benchFlat[T any](b *testing.B, name string, in *Input[T], body string) {
	general, out := *in, mustOutput[T](b)
	general.flat = nil
	for side, in := range map[string]*Input[T]{"flat": in, "general": &general} {
		b.Run(name+"/"+side, func(b *testing.B) {
			data := []byte(body)
			b.ReportAllocs()
			for b.Loop() {
				var v T
				check.Must(b, in.Decode(b.Context(), data, Files{}, &v))
			}
		})
	}
	var v T
	check.Must(b, in.Decode(b.Context(), []byte(body), Files{}, &v))
	for side, out := range map[string]*Output[T]{"flat": out, "general": {node: out.node}} {
		b.Run(name+"/"+side+"_out", func(b *testing.B) {
			var buf bytes.Buffer
			b.ReportAllocs()
			for b.Loop() {
				buf.Reset()
				check.Must(b, out.Encode(&buf, v))
			}
		})
	}
}

func BenchmarkItems(b *testing.B) {
	in := mustItems[string](b)
	for name, body := range map[string]string{"one": `{"xs":"a"}`, "list": `{"xs":["a"]}`} {
		data := []byte(body)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := in.Decode(b.Context(), data, Files{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
