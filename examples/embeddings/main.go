// Command embeddings serves sentence embeddings by a real model:
//
//	go run ./fetch    # once: gets the model
//	go run .
//
// POST /encode takes {"texts": [...]}, and POST /v1/embeddings is what clients of OpenAI call.
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/ekiben-serving/ekiben"
	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/examples/embeddings/minilm"
	"github.com/ekiben-serving/ekiben/runtime"
)

func main() { os.Exit(ekiben.Main("Embedder", declare)) } //nolint:forbidigo // main

func declare(app *runtime.App) error {
	e := &embedder{}
	app.OnStart(e.open)
	app.OnStop(func(context.Context) error { return e.model.Close() })
	app.Warm(e.warm)
	batching := runtime.Batching(batcher.Config{MaxBatchSize: minilm.MaxRows})
	e.texts = runtime.HandleBatch(app, "encode", e.encode, runtime.ItemsField("texts"), batching)
	e.tokens = runtime.HandleBatch(app, "encode_tokens", e.encodeTokens, runtime.ItemsField("tokens"), batching)
	runtime.Handle(app, "embeddings", e.openAI, runtime.Route("/v1/embeddings"))
	return nil
}

// embedder has the model, and the APIs that openAI calls.
type embedder struct {
	model  *minilm.Model
	texts  *runtime.API[[]string, [][]float32]
	tokens *runtime.API[[][]int32, [][]float32]
}

func (e *embedder) open(context.Context) (err error) {
	threads, err := minilm.Threads()
	if err != nil {
		return err
	}
	e.model, err = minilm.Open(minilm.Folder(), minilm.Options{Threads: threads})
	return err
}

// warm runs the model once: its first run takes longer.
func (e *embedder) warm(ctx context.Context) error {
	_, err := e.model.Embed(ctx, []string{"a text"})
	return err
}

// encode gets the texts of many requests.
func (e *embedder) encode(ctx context.Context, texts []string) ([][]float32, error) {
	return e.model.Embed(ctx, texts)
}

// encodeTokens gets the lists of tokens of many requests. A wrong one fails alone.
func (e *embedder) encodeTokens(ctx context.Context, lists [][]int32) ([][]float32, error) {
	wrong, some := make(batcher.Errors, len(lists)), false
	right := make([][]int32, 0, len(lists))
	for i, list := range lists {
		if err := minilm.Check(list); err != nil {
			wrong[i], some = runtime.Errorf(http.StatusBadRequest, "%w", err), true
			continue
		}
		right = append(right, list)
	}
	vectors, err := e.model.EmbedTokens(ctx, right)
	if err != nil || !some {
		return vectors, err
	}
	all := make([][]float32, len(lists))
	for i := range all {
		if wrong[i] == nil {
			all[i], vectors = vectors[0], vectors[1:]
		}
	}
	return all, wrong
}
