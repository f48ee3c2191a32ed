package runtime_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Errors that are all nil are success, traced or not, batched or not; an item's
// error has its status in each case.
func TestBatchErrorsInEveryMode(t *testing.T) {
	encoder := func() *runtime.Service {
		svc := runtime.NewService("S")
		runtime.HandleBatch(svc, "encode", func(_ context.Context, in []string) ([]int, error) {
			out, errs := make([]int, len(in)), make(batcher.Errors, len(in))
			for i, text := range in {
				if out[i] = len(text); text == "gone" {
					errs[i] = runtime.Errorf(http.StatusGone, "gone")
				}
			}
			return out, errs
		}, batcher.Config{})
		return svc
	}
	recorder := tracetest.NewSpanRecorder()
	for name, options := range map[string][]runtime.Option{
		"plain":  nil,
		"off":    {settings(func(c *config.Config) { c.Batching.Enabled = false })},
		"traced": {runtime.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, encoder(), options...)
			s.post("/encode", `{"items":["a","bb"]}`).want(t, 200, "[1,2]")
			s.post("/encode", `{"items":["gone"]}`).want(t, 410, `{"error":"gone"}`)
		})
	}
	for _, span := range recorder.Ended() {
		if span.Name() == "batch encode" && (len(span.Events()) > 0) != (span.Status().Code == 1) {
			t.Errorf("a span with %v and %v", span.Status(), span.Events())
		}
	}
}

// A single item that is an object is told what is wrong with it.
func TestBatchOfOneIsValidated(t *testing.T) {
	type rect struct {
		W int `json:"w" minimum:"1"`
	}
	svc := runtime.NewService("S")
	runtime.HandleBatch(svc, "area", func(_ context.Context, in []rect) ([]int, error) { return make([]int, len(in)), nil }, batcher.Config{})
	s := serve(t, svc)
	for body, want := range map[string]string{
		`{"items":[{"w":0}]}`: `"loc":["items",0,"w"]`, `{"items":{"w":0}}`: `"loc":["items","w"]`, `{"items":{}}`: `"loc":["items","w"]`,
		`{"items":5}`: "Input should be a valid array", `{"items":null}`: "Input should be a valid array", `{`: "", `[]`: "", ``: "",
	} {
		if got := s.post("/area", body); got.status != 400 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
}

// The span of a request that was in no batch says nothing of one.
func TestRefusedSpans(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	release := make(chan struct{})
	s := serve(t, newEncoder(batcher.Config{MaxBatchSize: 1, MaxQueue: 1}, release),
		runtime.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))))
	var callers sync.WaitGroup
	for i := range 2 {
		callers.Go(func() { s.post("/v1/encode", `{"texts":"a"}`) })
		eventually(t, "the request", func() bool {
			return strings.HasSuffix(s.samples("request_in_progress{endpoint=\"/v1/encode\""), " "+[]string{"1.0\n", "2.0\n"}[i])
		})
	}
	eventually(t, "the refusal", func() bool { return s.post("/v1/encode", `{"texts":"a"}`).status == 503 })
	close(release)
	callers.Wait()
	for _, span := range recorder.Ended() {
		refused, batched := false, false
		for _, a := range span.Attributes() {
			refused = refused || a.Key == "http.response.status_code" && a.Value.AsInt64() == 503
			batched = batched || strings.HasPrefix(string(a.Key), "ekiben.batch.")
		}
		if refused && batched {
			t.Errorf("a refused request's span says %v", span.Attributes())
		}
	}
}

// The operator's workers go over the declared ones, up and down.
func TestWorkersAreConfigured(t *testing.T) {
	for _, want := range []int{1, 4} {
		var running, most atomic.Int64
		svc := runtime.NewService("S")
		full := make(chan struct{}, 8)
		runtime.HandleBatch(svc, "encode", func(_ context.Context, in []string) ([]int, error) {
			most.Store(max(most.Load(), running.Add(1)))
			full <- struct{}{}
			time.Sleep(20 * time.Millisecond)
			running.Add(-1)
			return make([]int, len(in)), nil
		}, batcher.Config{MaxBatchSize: 1, Workers: 5 - want})
		s := serve(t, svc, settings(func(c *config.Config) { c.Services = map[string]config.Service{"S": {Workers: &want}} }))
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() { s.post("/encode", `{"items":"a"}`) })
		}
		callers.Wait()
		if got := int(most.Load()); got > want || want == 1 && got != 1 || want == 4 && got < 2 {
			t.Errorf("%d batches at once, want %d", got, want)
		}
	}
}

// A drain does not wait for a window to end.
func TestDrainEndsWindows(t *testing.T) {
	svc := runtime.NewService("S")
	runtime.HandleBatch(svc, "encode", func(_ context.Context, in []string) ([]int, error) { return make([]int, len(in)), nil },
		batcher.Config{Policy: batcher.PolicyWindow, Window: time.Minute, MaxLatency: time.Hour})
	answered := make(chan int, 1)
	t.Run("served", func(t *testing.T) {
		s := serve(t, svc, settings(func(c *config.Config) { c.Traffic.Timeout = time.Hour }))
		go func() { answered <- s.post("/encode", `{"items":"a"}`).status }()
		eventually(t, "the request", func() bool { return strings.Contains(s.samples("ekiben_batch_queue_items"), " 1.0\n") })
	})
	if got := <-answered; got != 200 {
		t.Errorf("answered %d", got)
	}
}
