package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/instrument"
)

type (
	summarizeInput struct {
		Text string `json:"text" default:"hello"`
	}
	byStatus struct {
		Status string `label:"status"`
	}
	byEndpoint struct {
		Endpoint string `label:"endpoint"`
	}
	byLane struct {
		Lane string `label:"lane"`
	}
)

// summarization is a copy of the recorded Python class, with its metrics. Its sleeps
// ignore the context, as Python's time.sleep does, so the function outlives its timeout
// as in Python.
type summarization struct {
	requests *instrument.Counter[byStatus]
	seconds  *instrument.Histogram[byStatus]
	size     *instrument.Summary[byEndpoint]
	queue    *instrument.Gauge[byLane]
	model    *instrument.Histogram[struct{}] // a metric of the user with BentoML's prefix
}

func declareSummarization(app *runtime.App, encodeMax, scoreMax int) error {
	var s summarization
	var errs [5]error
	s.requests, errs[0] = instrument.NewCounter[byStatus](app.Meter(), "summary_requests_total",
		instrument.Help("Total number of summarization requests"))
	s.seconds, errs[1] = instrument.NewHistogram[byStatus](app.Meter(), "inference_time_seconds",
		instrument.Help("Time taken for summarization inference"), instrument.Buckets(0.1, 0.2, 0.5, 1, 2, 5, 10))
	s.size, errs[2] = instrument.NewSummary[byEndpoint](app.Meter(), "response_size_bytes",
		instrument.Help("Response size in bytes"))
	s.queue, errs[3] = instrument.NewGauge[byLane](app.Meter(), "queue_depth", instrument.Help("Items waiting"))
	s.model, errs[4] = instrument.NewHistogram[struct{}](app.Meter(), "bentoml_service_model_inferencing_duration_seconds",
		instrument.Help("Time taken by the model"), instrument.Buckets(0.05, 0.1, 0.2, 0.4))

	runtime.Handle(app, "summarize", s.summarize)
	runtime.HandleBatch(app, "encode", encodeRecorded,
		runtime.Batching(batcher.Config{MaxBatchSize: encodeMax, MaxLatency: time.Second}), runtime.ItemsField("texts"))
	runtime.HandleBatch(app, "score", score,
		runtime.Batching(batcher.Config{MaxBatchSize: scoreMax, MaxLatency: time.Second}), runtime.ItemsField("xs"), runtime.Route("/v1/score"))
	return errors.Join(errs[:]...)
}

func (s *summarization) summarize(ctx context.Context, in summarizeInput) (string, error) {
	switch in.Text {
	case "boom":
		s.requests.Add(ctx, byStatus{"failure"}, 1)
		return "", errors.New("boom")
	case "slow":
		time.Sleep(slowFor)
	}
	if err := sleepOf(in.Text); err != nil {
		return "", err
	}
	s.requests.Add(ctx, byStatus{"success"}, 1)
	s.seconds.Observe(ctx, byStatus{"success"}, 0.15)
	s.model.Observe(ctx, struct{}{}, 0.08)
	s.size.Observe(ctx, byEndpoint{"summarize"}, float64(len([]rune(in.Text))))
	s.queue.Set(ctx, byLane{"a\"b\\c\nd"}, 3)
	return strings.ToUpper(in.Text), nil
}

// slowFor is how long the text slow takes.
var slowFor = 3 * time.Second

// sleepOf sleeps for the seconds in a string such as sleep:0.3.
func sleepOf(text string) error {
	seconds, is := strings.CutPrefix(text, "sleep:")
	if !is {
		return nil
	}
	n, err := strconv.ParseFloat(seconds, 64)
	time.Sleep(time.Duration(n * float64(time.Second)))
	return err
}

func encodeRecorded(_ context.Context, texts []string) ([]int, error) {
	time.Sleep(10 * time.Millisecond)
	return lengthsOf(texts), nil
}

func score(_ context.Context, xs []float64) ([]float64, error) {
	doubled := make([]float64, len(xs))
	for i, x := range xs {
		doubled[i] = x * 2
	}
	return doubled, nil
}

// lengthsOf returns the number of characters of each string, as Python's len does.
func lengthsOf(texts []string) []int {
	lengths := make([]int, len(texts))
	for i, text := range texts {
		lengths[i] = len([]rune(text))
	}
	return lengths
}

// declareTextPipeline declares the services of the bento text_pipeline:1.2.3.
func declareTextPipeline(app *runtime.App) error {
	type byStage struct {
		Stage string `label:"stage"`
	}
	encoder := app.AddService("Encoder")
	hits, err := instrument.NewCounter[byStage](encoder.Meter(), "tokens_seen_total", instrument.Help("Tokens seen"))
	encode := runtime.HandleBatch(encoder, "encode", func(ctx context.Context, texts []string) ([]int, error) {
		hits.Add(ctx, byStage{"encode"}, float64(len(texts)))
		return lengthsOf(texts), nil
	}, runtime.Batching(batcher.Config{MaxBatchSize: 16, MaxLatency: 500 * time.Millisecond}), runtime.ItemsField("texts"))

	type lengthsInput struct {
		Text string `json:"text"`
	}
	runtime.Handle(app, "lengths", func(ctx context.Context, in lengthsInput) (map[string]int, error) {
		hits.Add(ctx, byStage{"front"}, 1)
		lengths, err := encode.Call(ctx, []string{in.Text})
		if err != nil {
			return nil, err
		}
		if len(lengths) != 1 {
			return nil, runtime.Errorf(http.StatusBadGateway, "encode gave %d lengths for 1 text", len(lengths))
		}
		return map[string]int{"length": lengths[0]}, sleepOf(in.Text)
	})
	return err
}
