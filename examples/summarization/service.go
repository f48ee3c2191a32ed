// Package summarization is the service that ekiben serves by default: it
// shortens a text to its most important sentences, and turns texts into vectors.
package summarization

import (
	"context"
	"errors"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/examples/summarization/features"
	"github.com/ekiben-serving/ekiben/examples/summarization/textrank"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/instrument"
)

// Text is the input of summarize.
type Text struct {
	Text string `json:"text" doc:"The text to shorten." default:"Breaking News: In an astonishing turn of events, the small town of Willow Creek has been taken by storm as local resident Jerry Thompson's cat, Whiskers, performed what witnesses are calling a 'miraculous and gravity-defying leap.' Eyewitnesses report that Whiskers, an otherwise unremarkable tabby cat, jumped a record-breaking 20 feet into the air to catch a fly. The event, which took place in Thompson's backyard, is now being investigated by scientists for potential breaches in the laws of physics. Local authorities are considering a town festival to celebrate what is being hailed as 'The Leap of the Century."`
}

// Dimensions is the length of encode's vectors.
const Dimensions = 256

// status labels both metrics: success or failure.
type status struct {
	Status string `label:"status"`
}

// Name is the name of the service.
const Name = "Summarization"

// Declare declares the service's APIs and its two metrics.
func Declare(app *runtime.App) error {
	requests, err1 := instrument.NewCounter[status](app.Meter(), "summary_requests_total",
		instrument.Help("Total number of summarization requests"))
	seconds, err2 := instrument.NewHistogram[status](app.Meter(), "inference_time_seconds",
		instrument.Help("Time taken for summarization inference"),
		instrument.Unit("s"), instrument.Buckets(0.1, 0.2, 0.5, 1, 2, 5, 10))

	runtime.Handle(app, "summarize", func(ctx context.Context, in Text) (string, error) {
		start := time.Now()
		summary, err := textrank.Summarize(ctx, in.Text)
		outcome := status{"success"}
		if err != nil {
			outcome = status{"failure"}
		}
		seconds.Observe(ctx, outcome, time.Since(start).Seconds())
		requests.Add(ctx, outcome, 1)
		return summary, err
	})
	runtime.HandleBatch(app, "encode", encode, runtime.Batching(batcher.Config{MaxBatchSize: 32}), runtime.ItemsField("texts"))
	return errors.Join(err1, err2)
}

func encode(ctx context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		vectors[i] = features.Vector(text, Dimensions)
	}
	return vectors, nil
}
