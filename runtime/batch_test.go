package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// newEncoder batches texts to their lengths, and takes as long as it is told.
func newEncoder(cfg batcher.Config, wait <-chan struct{}) *runtime.Service {
	svc := runtime.NewService("Encoder")
	runtime.HandleBatch(svc, "encode", func(ctx context.Context, texts []string) ([]int, error) {
		if wait != nil {
			<-wait
		}
		lengths, errs := make([]int, len(texts)), make(batcher.Errors, len(texts))
		for i, text := range texts {
			lengths[i] = len(text)
			switch text {
			case "gone":
				errs[i] = runtime.Errorf(http.StatusGone, "gone")
			case "secret":
				errs[i] = errors.New("a password")
			case "panic":
				panic("secret")
			}
		}
		if slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
			return lengths, errs
		}
		return lengths, nil
	}, cfg, runtime.Items("texts"), runtime.Route("/v1/encode"))
	return svc
}

// A request carries a list of items or one, and is answered alike.
func TestBatchWire(t *testing.T) {
	s := serve(t, newEncoder(batcher.Config{MaxBatchSize: 4}, nil))
	for body, want := range map[string]string{
		`{"texts":["a","bb","ccc","dddd","eeeee"]}`: "[1,2,3,4,5]",
		`{"texts":["a"]}`: "[1]",
		`{"texts":"abc"}`: "3",
		`{"texts":[]}`:    "[]",
	} {
		s.post("/v1/encode", body).want(t, 200, want)
	}
	s.post("/v1/encode", `{"texts":["gone"]}`).want(t, 410, `{"error":"gone"}`)
	s.post("/v1/encode", `{"texts":["a","gone","b","gone"]}`).want(t, 410,
		`{"error":"gone","detail":[{"type":"item_error","loc":["texts",1],"msg":"gone"},{"type":"item_error","loc":["texts",3],"msg":"gone"}]}`)
	s.post("/v1/encode", `{"texts":["gone","secret","a"]}`).want(t, 500, strings.TrimSuffix(masked, "}")+`,"detail":[{"type":"item_error","loc":["texts",0],"msg":"gone"},`+
		`{"type":"item_error","loc":["texts",1],"msg":"An unexpected error has occurred, please check the server log."}]}`)
	s.post("/v1/encode", `{"texts":["panic"]}`).want(t, 500, masked)
	s.post("/v1/encode", `{"texts":[4]}`).want(t, 400, `{"error":"1 validation error for Input","detail":[{"type":"string_type","loc":["texts",0],"msg":"Input should be a valid string"}]}`)
	s.post("/v1/encode", `{}`).want(t, 400, `{"error":"1 validation error for Input","detail":[{"type":"missing","loc":["texts"],"msg":"Field required"}]}`)
	schema := s.do("GET", "/schema.json", "").body
	if !strings.Contains(schema, `"name":"encode","route":"/v1/encode","batchable":true,"input":{`) || !strings.Contains(schema, `"texts":`) {
		t.Errorf("got %s", schema)
	}
	want := "bentoml_service_adaptive_batch_size_count{method_name=\"encode\",worker_index=\"1\"} 9.0\n"
	if got := s.samples("adaptive_batch_size_count"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Requests at the same time are merged, each gets its own, and every number of
// it is on the page.
func TestBatchesAreMerged(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, newEncoder(batcher.Config{MaxBatchSize: 8}, release), settings(func(c *config.Config) {
		c.Batching.ServerTiming = true
		c.Services = map[string]config.Service{"Encoder": {Batching: config.ServiceBatching{MaxBatchSize: new(4)}}}
	}))
	var clients sync.WaitGroup
	post := func(texts string, want string) {
		clients.Go(func() {
			got := s.post("/v1/encode", `{"texts":`+texts+`}`)
			got.want(t, 200, want)
			if timing := got.header.Get("Server-Timing"); !regexp.MustCompile(`^queue;dur=[\d.]+, compute;dur=[\d.]+, batch;desc="[1-4]/4 (idle|full)"$`).MatchString(timing) {
				t.Errorf("Server-Timing: %s", timing)
			}
		})
	}
	post(`["alone"]`, "[5]")
	eventually(t, "a batch of one", func() bool { return strings.Contains(s.page(), `endpoint="/v1/encode"`) && inProgress(s) == 1 })
	for i := range 6 {
		post(fmt.Sprintf("%q", strings.Repeat("x", i)), fmt.Sprint(i))
	}
	eventually(t, "a queue of six", func() bool {
		return s.samples("ekiben_batch_queue_items{") == "ekiben_batch_queue_items{method_name=\"encode\"} 6.0\n"
	})
	close(release)
	clients.Wait()
	for want, parts := range map[string][]string{
		"bentoml_service_adaptive_batch_size_count{method_name=\"encode\",worker_index=\"1\"} 3.0\n":             {"adaptive_batch_size_count"},
		"bentoml_service_adaptive_batch_size_sum{method_name=\"encode\",worker_index=\"1\"} 7.0\n":               {"adaptive_batch_size_sum"},
		"bentoml_service_adaptive_batch_size_bucket{le=\"4.0\",method_name=\"encode\",worker_index=\"1\"} 3.0\n": {"adaptive_batch_size_bucket", `le="4.0"`},
		"ekiben_batch_items_sum{method_name=\"encode\"} 7.0\n":                                                   {"ekiben_batch_items_sum"},
		"ekiben_batch_queue_duration_seconds_count{method_name=\"encode\"} 7.0\n":                                {"ekiben_batch_queue_duration_seconds_count"},
		"ekiben_batch_compute_duration_seconds_count{method_name=\"encode\"} 3.0\n":                              {"ekiben_batch_compute_duration_seconds_count"},
		"ekiben_batch_batches_total{method_name=\"encode\",reason=\"full\"} 1.0\n":                               {"ekiben_batch_batches_total", "full"},
		"ekiben_batch_queue_items{method_name=\"encode\"} 0.0\n":                                                 {"ekiben_batch_queue_items{"},
	} {
		if got := s.samples(parts...); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func inProgress(s *server) int {
	var n int
	_, _ = fmt.Sscanf(strings.TrimPrefix(s.samples("request_in_progress", "/v1/encode"), "bentoml_service_request_in_progress{endpoint=\"/v1/encode\"} "), "%d", &n)
	return n
}

// What cannot be served is refused at once, with when to come back.
func TestBatchOverload(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, newEncoder(batcher.Config{MaxBatchSize: 1, MaxQueue: 1}, release))
	var clients sync.WaitGroup
	for i := range 2 {
		clients.Go(func() { s.post("/v1/encode", `{"texts":"a"}`).want(t, 200, "1") })
		eventually(t, "the queue", func() bool { return inProgress(s) == i+1 })
	}
	eventually(t, "one queued", func() bool { return strings.HasSuffix(s.samples("ekiben_batch_queue_items{"), " 1.0\n") })
	got := s.post("/v1/encode", `{"texts":"a"}`)
	got.want(t, 503, `{"error":"The service is overloaded: its queue is full"}`)
	if after := got.header.Get("Retry-After"); after != "1" {
		t.Errorf("Retry-After: %s", after)
	}
	close(release)
	clients.Wait()
	if got := s.samples("ekiben_batch_refused_total", `reason="queue_full"`); got != "ekiben_batch_refused_total{method_name=\"encode\",reason=\"queue_full\"} 1.0\n" {
		t.Errorf("got %s", got)
	}
}

// A request that times out leaves the queue, and is answered at its deadline.
func TestBatchTimeout(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, newEncoder(batcher.Config{MaxBatchSize: 1}, release), traffic(200*time.Millisecond, 0))
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() {
			s.post("/v1/encode", `{"texts":"a"}`).want(t, 504, `{"error":"Not able to process the request in 0.2 seconds"}`)
		})
	}
	clients.Wait()
	close(release)
	eventually(t, "no queue", func() bool { return strings.HasSuffix(s.samples("ekiben_batch_queue_items{"), " 0.0\n") })
	s.post("/v1/encode", `{"texts":"a"}`).want(t, 200, "1")
	if got := s.samples("ekiben_batch_items_count"); got != "ekiben_batch_items_count{method_name=\"encode\"} 2.0\n" {
		t.Errorf("got %s", got)
	}
}

// Batching can be switched off, and declarations are checked.
func TestBatchingOff(t *testing.T) {
	s := serve(t, newEncoder(batcher.Config{MaxBatchSize: 2}, nil), settings(func(c *config.Config) { c.Batching.Enabled = false }))
	s.post("/v1/encode", `{"texts":["a","bb","ccc"]}`).want(t, 200, "[1,2,3]")
	if got := s.samples("adaptive_batch_size_sum"); got != "bentoml_service_adaptive_batch_size_sum{method_name=\"encode\",worker_index=\"1\"} 2.0\n" {
		t.Errorf("got %s", got)
	}
	svc := runtime.NewService("Bad")
	runtime.HandleBatch[string, int](svc, "encode", nil, batcher.Config{MaxBatchSize: -1, Policy: "cork"})
	runtime.HandleBatch(svc, "chan", func(context.Context, []chan int) ([]func(), error) { return nil, errors.New("") }, batcher.Config{})
	runtime.HandleBatch(svc, "sized", func(_ context.Context, in []string) ([]int, error) { return make([]int, len(in)), nil }, batcher.Config{}, runtime.SizeOf(func(int) int { return 1 }))
	err := svc.Err()
	for _, want := range []string{
		`service "Bad": API "encode": batching: max_batch_size: must be at least 1, found -1`, `policy: must be adaptive, idle or window, found "cork"`,
		`API "encode": function is nil`, `API "sized": batching: SizeOf must be given a func(string) int, found func(int) int`, `API "chan": input: `, `API "chan": output: `,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %s:\n%v", want, err)
		}
	}
}

// A dependency's batchable API is called with typed items.
func TestBatchInProcess(t *testing.T) {
	encoder := runtime.NewService("Encoder")
	encode := runtime.HandleBatch(encoder, "encode", func(_ context.Context, texts []string) ([]int, error) { return []int{len(texts[0])}, nil }, batcher.Config{})
	front := runtime.NewService("Front")
	front.DependsOn(encoder)
	runtime.Handle(front, "count", func(ctx context.Context, in text) (int, error) {
		lengths, err := encode.Call(ctx, []string{in.Text})
		if err != nil {
			return 0, err
		}
		return lengths[0], nil
	})
	s := serve(t, front)
	s.post("/count", `{"text":"four"}`).want(t, 200, "4")
	if got := s.do("GET", "/metrics", "").body; !strings.Contains(got, `adaptive_batch_size_count{method_name="encode",runner_name="Encoder",service_name="Front"`) {
		t.Errorf("got %s", got)
	}
}

// A batch is a span of its own, linked to those of its requests, which say how
// long they were queued.
func TestBatchSpans(t *testing.T) {
	recorded := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded))
	release := make(chan struct{})
	s := serve(t, newEncoder(batcher.Config{}, release), runtime.WithTracerProvider(provider))
	var clients sync.WaitGroup
	for i := range 3 {
		clients.Go(func() { s.post("/v1/encode", `{"texts":["a"]}`).want(t, 200, "[1]") })
		eventually(t, "a request", func() bool { return inProgress(s) == i+1 })
	}
	eventually(t, "two queued", func() bool { return strings.HasSuffix(s.samples("ekiben_batch_queue_items{"), " 2.0\n") })
	close(release)
	clients.Wait()
	eventually(t, "five spans", func() bool { return requestSpans(recorded) == 3 })
	links := 0
	for _, span := range recorded.Ended() {
		switch span.Name() {
		case "batch encode":
			links += len(span.Links())
		case "POST /v1/encode":
			found := false
			for _, a := range span.Attributes() {
				found = found || a.Key == "ekiben.batch.queue.duration"
			}
			if !found {
				t.Errorf("%v does not say how long it was queued", span.Attributes())
			}
		}
	}
	if links != 3 {
		t.Errorf("%d links", links)
	}
}

func requestSpans(recorded *tracetest.SpanRecorder) int {
	n := 0
	for _, span := range recorded.Ended() {
		if span.Name() == "POST /v1/encode" {
			n++
		}
	}
	return n
}

// Items can be large and small.
func TestBatchSizes(t *testing.T) {
	svc := runtime.NewService("Sized")
	runtime.HandleBatch(svc, "encode", func(_ context.Context, in []string) ([]int, error) {
		sizes := make([]int, len(in))
		for i := range in {
			sizes[i] = len(in)
		}
		return sizes, nil
	}, batcher.Config{MaxBatchSize: 6}, runtime.SizeOf(func(s string) int { return len(s) }))
	s := serve(t, svc)
	s.post("/encode", `{"items":["aaaa","bb","c","ddddddddd","e"]}`).want(t, 200, "[2,2,1,1,1]")
}

// What a batch took beside its prediction keeps its sign; a failure and a batch
// of which nothing was known say nothing of predictions.
func TestMispredictionHasASign(t *testing.T) {
	svc := runtime.NewService("Encoder")
	encode := runtime.HandleBatch(svc, "encode", func(_ context.Context, in []int) ([]int, error) { return in, nil }, batcher.Config{})
	s := serve(t, svc)
	observer := runtime.ObserverOf(encode)
	for _, b := range []batcher.Batch{
		{Compute: 3 * time.Second, Predicted: time.Second}, {Compute: 5 * time.Second, Predicted: time.Second}, {Compute: time.Second, Predicted: 2 * time.Second},
		{Compute: 9 * time.Second}, {Compute: 9 * time.Second, Predicted: time.Second, Failed: true},
	} {
		b.Items, b.Requests, b.Reason = 1, 1, batcher.ReasonIdle
		observer.Batched(b)
	}
	for actual, want := range map[string]string{"longer": "6.0", "shorter": "1.0"} {
		want = `ekiben_batch_misprediction_seconds_sum{actual="` + actual + `",method_name="encode"} ` + want + "\n"
		if got := s.samples("ekiben_batch_misprediction_seconds_sum", `actual="`+actual+`"`); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
