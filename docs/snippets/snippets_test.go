// Package snippets_test compiles the Go code of the documentation, and finds
// each block of it here.
package snippets_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/instrument"
)

type Input struct {
	Text string `json:"text" minLength:"1" doc:"What to shout."`
}

func main() {
	svc := runtime.NewService("Shouter")
	runtime.Handle(svc, "shout", func(_ context.Context, in Input) (string, error) {
		return strings.ToUpper(in.Text), nil
	})
	rt, err := runtime.New(svc)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := rt.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

type encoder struct{}

func (encoder) Encode(_ context.Context, texts []string) ([][]float32, error) {
	return make([][]float32, len(texts)), nil
}
func (encoder) Loaded(context.Context) error { return nil }

var (
	model encoder
	known = map[string]string{"a": "b"}
)

func batch(svc *runtime.Service) {
	runtime.HandleBatch(svc, "encode", func(ctx context.Context, texts []string) ([][]float32, error) {
		return model.Encode(ctx, texts)
	}, batcher.Config{MaxBatchSize: 32, MaxLatency: 200 * time.Millisecond}, runtime.Items("texts"))
}

func more(svc *runtime.Service) (*runtime.Runtime, error) {
	runtime.Handle(svc, "lookup", func(_ context.Context, in Input) (string, error) {
		found, ok := known[in.Text]
		if !ok {
			return "", runtime.Errorf(http.StatusNotFound, "no text %q", in.Text)
		}
		return found, nil
	})
	svc.Ready(model.Loaded)
	rt, err := runtime.New(svc, runtime.WithSource(config.Source{File: "config.yaml", Environ: os.Environ()}))
	return rt, err
}

func TestShout(t *testing.T) {
	svc := runtime.NewService("Shouter")
	runtime.Handle(svc, "shout", func(_ context.Context, in Input) (string, error) {
		return strings.ToUpper(in.Text), nil
	})
	rt, err := runtime.New(svc)
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Shutdown(context.Background())
	answer := httptest.NewRecorder()
	rt.ServeHTTP(answer, httptest.NewRequest("POST", "/shout", strings.NewReader(`{"text": "hello"}`)))
	if answer.Body.String() != "HELLO" {
		t.Errorf("got %d %s", answer.Code, answer.Body)
	}
}

func histogram(svc *runtime.Service) (metric.Float64Histogram, error) {
	latency, err := svc.Meter().Float64Histogram("inference_time_seconds", metric.WithUnit("s"),
		metric.WithDescription("Time taken for inference"), metric.WithExplicitBucketBoundaries(0.1, 0.5, 1))
	return latency, err
}

func typed(ctx context.Context, svc *runtime.Service) error {
	type outcome struct {
		Status string `label:"status"`
	}
	requests, err1 := instrument.NewCounter[outcome](svc.Meter(), "summary_requests_total", instrument.Help("Total number of summarization requests"))
	sizes, err2 := instrument.NewSummary[outcome](svc.Meter(), "response_size_bytes", instrument.Help("Response size in bytes"))
	requests.Add(ctx, outcome{Status: "success"}, 1)
	sizes.Observe(ctx, outcome{Status: "success"}, 512)
	return errors.Join(err1, err2)
}

func moved() *runtime.Service {
	summarize := func(_ context.Context, in Input) (string, error) { return in.Text, nil }
	encode := model.Encode
	svc := runtime.NewService("Summarization") // the class's name: it is a label
	runtime.Handle(svc, "summarize", summarize)
	runtime.HandleBatch(svc, "encode", encode, batcher.Config{MaxBatchSize: 32}, runtime.Items("texts"))
	return svc
}

var _ = []any{main, batch, more, histogram, typed, moved}

// Every block of Go in the documentation stands above, but for what a reader
// knows: the package clause, and imports.
func TestSnippetsCompile(t *testing.T) {
	own, err := os.ReadFile("snippets_test.go")
	if err != nil {
		t.Fatal(err)
	}
	code := squeeze(string(own))
	documents, err := filepath.Glob("../*.md")
	if err != nil || len(documents) < 8 {
		t.Fatal(documents, err)
	}
	found := 0
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			found++
			snippet := block[1]
			if at := strings.Index(snippet, "type Input"); strings.HasPrefix(snippet, "package main") && at > 0 {
				snippet = snippet[at:]
			}
			if !strings.Contains(code, squeeze(snippet)) {
				t.Errorf("%s: this block is not compiled:\n%s", document, block[1])
			}
		}
	}
	if found < 6 {
		t.Errorf("%d blocks", found)
	}
}

// squeeze takes indentation and line ends out.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }
