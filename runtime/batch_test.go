package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// newEncoder makes an app that returns the lengths of strings in batches. Each batch
// waits for a value from wait; nil: no wait.
func newEncoder(cfg batcher.Config, wait <-chan struct{}, opts ...runtime.Option) *runtime.App {
	app := newApp("Encoder", opts...)
	runtime.HandleBatch(app, "encode", func(ctx context.Context, texts []string) ([]int, error) {
		if wait != nil {
			<-wait
		}
		return encodeTexts(ctx, texts)
	}, runtime.Batching(cfg), runtime.ItemsField("texts"), runtime.Route("/v1/encode"))
	return app
}

// encodeTexts returns the lengths of strings. It fails for some.
func encodeTexts(_ context.Context, texts []string) ([]int, error) {
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
	return lengths, errs
}

// A request has a list of items or one item, and the response has the same form:
// batched, not batched, and traced. Errors that are all nil are a success.
func TestBatchWire(t *testing.T) {
	invalid := func(kind, loc, msg string) string {
		return `{"error":"1 validation error for Input","detail":[{"type":"` + kind + `","loc":[` + loc + `],"msg":"` + msg + `"}]}`
	}
	for name, opts := range map[string][]runtime.Option{
		"batched": nil,
		"off":     {settings(func(c *config.Config) { c.Batching.Enabled = false })},
		"traced":  {runtime.WithTracerProvider(sdktrace.NewTracerProvider())},
	} {
		t.Run(name, func(t *testing.T) {
			s := direct(t, newEncoder(batcher.Config{MaxBatchSize: 4}, nil, opts...))
			for _, test := range []struct {
				body   string
				status int
				want   string
			}{
				{`{"texts":["a","bb","ccc","dddd","eeeee"]}`, 200, "[1,2,3,4,5]"},
				{`{"texts":["a"]}`, 200, "[1]"},
				{`{"texts":"abc"}`, 200, "3"},
				{`{"texts":[]}`, 200, "[]"},
				{`{"texts":["gone"]}`, 410, `{"error":"gone"}`},
				{`{"texts":"gone"}`, 410, `{"error":"gone"}`},
				{`{"texts":["a","gone","b","gone"]}`, 410,
					`{"error":"gone","detail":[{"type":"item_error","loc":["texts",1],"msg":"gone"},{"type":"item_error","loc":["texts",3],"msg":"gone"}]}`},
				{`{"texts":["gone","secret","a"]}`, 500, strings.TrimSuffix(masked, "}") + `,"detail":[{"type":"item_error","loc":["texts",0],"msg":"gone"},` +
					`{"type":"item_error","loc":["texts",1],"msg":"An unexpected error has occurred, please check the server log."}]}`},
				{`{"texts":["panic"]}`, 500, masked},
				{`{"texts":[4]}`, 400, invalid("string_type", `"texts",0`, "Input should be a valid string")},
				{`{}`, 400, invalid("missing", `"texts"`, "Field required")},
			} {
				s.post("/v1/encode", test.body).want(t, test.status, test.want)
			}
			schema := s.do("GET", "/schema.json", "").body
			if !strings.Contains(schema, `"name":"encode","route":"/v1/encode","batchable":true,"input":{`) || !strings.Contains(schema, `"texts":`) {
				t.Errorf("got %s", schema)
			}
		})
	}
}

// A single item is validated like the items of a list.
func TestBatchItemsAreValidated(t *testing.T) {
	type rect struct {
		W int `json:"w" minimum:"1"`
	}
	app := newApp("S")
	runtime.HandleBatch(app, "area", func(_ context.Context, in []rect) ([]int, error) { return make([]int, len(in)), nil })
	s := direct(t, app)
	s.post("/area", `{"items":{"w":1}}`).want(t, 200, "0")
	for body, want := range map[string]string{
		`{"items":[{"w":0}]}`: `"loc":["items",0,"w"]`, `{"items":{"w":0}}`: `"loc":["items","w"]`, `{"items":{}}`: `"loc":["items","w"]`,
		`{"items":5}`: "Input should be a valid array", `{"items":null}`: "Input should be a valid array", `{`: "", `[]`: "", ``: "",
	} {
		if got := s.post("/area", body); got.status != 400 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
}

// Concurrent requests are merged, and /metrics has the right numbers.
func TestBatchesAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := direct(t, newEncoder(batcher.Config{MaxBatchSize: 8}, release, settings(func(c *config.Config) {
			c.Batching.ServerTiming = true
			c.Services = map[string]config.Service{"Encoder": {Batching: config.ServiceBatching{MaxBatchSize: new(4)}}}
		})))
		timing := regexp.MustCompile(`^queue;dur=[\d.]+, compute;dur=[\d.]+, batch;desc="[1-4]/4 (idle|full)"$`)
		var clients sync.WaitGroup
		for i := range 7 {
			clients.Go(func() {
				got := s.post("/v1/encode", fmt.Sprintf(`{"texts":[%q]}`, strings.Repeat("x", i)))
				got.want(t, 200, fmt.Sprintf("[%d]", i))
				if got := got.header.Get("Server-Timing"); !timing.MatchString(got) {
					t.Errorf("Server-Timing: %s", got)
				}
			})
			synctest.Wait() // the function runs with the first request alone
		}
		check.Equal(t, s.samples("ekiben_batch_queue_items{"), "ekiben_batch_queue_items{method_name=\"encode\"} 6.0\n")
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
			check.Equal(t, s.samples(parts...), want)
		}
	})
}

// Each item of a batch has the context of its own request.
func TestItemContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, release := newApp("S"), make(chan struct{}, 2)
		runtime.HandleBatch(app, "tenants", func(ctx context.Context, items []int) ([]string, error) {
			<-release
			if runtime.RequestFrom(ctx) != nil {
				t.Error("the batch has a request")
			}
			tenants := make([]string, len(items))
			for i, item := range items {
				ctx := batcher.ItemContext(ctx, i)
				runtime.ResponseFrom(ctx).SetHeader("X-Batch", fmt.Sprint(len(items)))
				tenants[i] = fmt.Sprint(runtime.RequestFrom(ctx).Header().Get("X-Tenant"), item)
			}
			return tenants, nil
		})
		s := direct(t, app)
		got := make([]answer, 3)
		var clients sync.WaitGroup
		for i, tenant := range []string{"red", "green", "blue"} {
			clients.Go(func() {
				got[i] = s.do("POST", "/tenants", fmt.Sprintf(`{"items":[%d,%d]}`, i, i), "X-Tenant", tenant)
			})
			synctest.Wait()
		}
		close(release)
		clients.Wait()
		for i, want := range []string{`["red0","red0"] in 2`, `["green1","green1"] in 4`, `["blue2","blue2"] in 4`} {
			check.Equal(t, got[i].body+" in "+got[i].header.Get("X-Batch"), want)
		}
	})
}

// A request that does not fit into the queue gets a 503 with Retry-After. Its span
// has no batch attributes. The spans of the other requests have their time in the
// queue, and the spans of the batches are linked to them.
func TestBatchOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorded := tracetest.NewSpanRecorder()
		release := make(chan struct{})
		s := direct(t, newEncoder(batcher.Config{MaxBatchSize: 1, MaxQueue: 1}, release,
			runtime.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded)))))
		var clients sync.WaitGroup
		for range 2 {
			clients.Go(func() { s.post("/v1/encode", `{"texts":"a"}`).want(t, 200, "1") })
			synctest.Wait()
		}
		got := s.post("/v1/encode", `{"texts":"a"}`)
		got.want(t, 503, `{"error":"The service is overloaded: its queue is full"}`)
		if after := got.header.Get("Retry-After"); after != "1" {
			t.Errorf("Retry-After: %s", after)
		}
		close(release)
		clients.Wait()
		check.Equal(t, s.samples("ekiben_batch_refused_total", `reason="queue_full"`), "ekiben_batch_refused_total{method_name=\"encode\",reason=\"queue_full\"} 1.0\n")
		var spans []string
		for _, span := range recorded.Ended() {
			queued := false
			for _, a := range span.Attributes() {
				queued = queued || a.Key == "ekiben.batch.queue.duration"
			}
			if span.Name() == "batch encode" || span.Name() == "POST /v1/encode" {
				spans = append(spans, fmt.Sprintf("%s: queued %t, %d links, %d events, %v", span.Name(), queued, len(span.Links()), len(span.Events()), span.Status().Code))
			}
		}
		slices.Sort(spans)
		want := []string{
			"POST /v1/encode: queued false, 0 links, 0 events, Error",
			"POST /v1/encode: queued true, 0 links, 0 events, Unset", "POST /v1/encode: queued true, 0 links, 0 events, Unset",
			"batch encode: queued false, 1 links, 0 events, Unset", "batch encode: queued false, 1 links, 0 events, Unset",
		}
		if !reflect.DeepEqual(spans, want) {
			t.Errorf("got\n%s", strings.Join(spans, "\n"))
		}
	})
}

// A list that is too long gets a 503 with advice, at once or after its first batch. It
// has no Retry-After, because the same list would be refused again.
func TestBatchTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Slow")
		runtime.HandleBatch(app, "echo", func(_ context.Context, items []int) ([]int, error) {
			time.Sleep(20 * time.Millisecond)
			return items, nil
		}, runtime.Batching(batcher.Config{MaxBatchSize: 16, MaxLatency: time.Second}), runtime.ItemsField("items"))
		s := direct(t, app)
		for range 3 {
			s.post("/echo", `{"items":1}`).want(t, 200, "1")
		}
		for _, idle := range []time.Duration{600 * time.Millisecond, 1200 * time.Millisecond} {
			time.Sleep(idle)
			got := s.post("/echo", `{"items":[`+strings.Repeat("1,", 1999)+`1]}`)
			got.want(t, 503, `{"error":"The service is overloaded: the response would come too late even with an empty queue; send fewer items at once"}`)
			if after := got.header.Values("Retry-After"); after != nil {
				t.Errorf("after %s: Retry-After: %s", idle, after)
			}
		}
		want := `ekiben_batch_refused_total{method_name="echo",reason="expired"} 0.0` + "\n" + `ekiben_batch_refused_total{method_name="echo",reason="too_many"} 2.0` + "\n"
		check.Equal(t, s.samples("ekiben_batch_refused_total", `reason="expired"`)+s.samples("ekiben_batch_refused_total", `reason="too_many"`), want)
	})
}

// A request that times out leaves the queue and gets its response at its deadline.
func TestBatchTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, start := make(chan struct{}), time.Now()
		s := direct(t, newEncoder(batcher.Config{MaxBatchSize: 1}, release, traffic(200*time.Millisecond, 0)))
		var clients sync.WaitGroup
		for range 3 {
			clients.Go(func() {
				s.post("/v1/encode", `{"texts":"a"}`).want(t, 504, `{"error":"Not able to process the request in 0.2 seconds"}`)
			})
		}
		clients.Wait()
		if took := time.Since(start); took != 200*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		close(release)
		synctest.Wait()
		if got := s.samples("ekiben_batch_queue_items{"); !strings.HasSuffix(got, " 0.0\n") {
			t.Errorf("got %s", got)
		}
		s.post("/v1/encode", `{"texts":"a"}`).want(t, 200, "1")
		check.Equal(t, s.samples("ekiben_batch_items_count"), "ekiben_batch_items_count{method_name=\"encode\"} 2.0\n")
	})
}

// Another service calls a batchable API with items of its type.
func TestBatchInProcess(t *testing.T) {
	app := newApp("Front")
	encode := runtime.HandleBatch(app.AddService("Encoder"), "encode", func(_ context.Context, texts []string) ([]int, error) { return []int{len(texts[0])}, nil })
	runtime.Handle(app, "count", func(ctx context.Context, in text) (int, error) {
		lengths, err := encode.Call(ctx, []string{in.Text})
		return slices.Max(append(lengths, 0)), err
	})
	s := direct(t, app)
	s.post("/count", `{"text":"four"}`).want(t, 200, "4")
	check.Contains(t, s.page(), `adaptive_batch_size_count{method_name="encode",runner_name="Encoder",service_name="Front"`)
}

// A call whose items fail in part returns the results of the others beside the errors,
// with and without a timeout, so a batch function can pass both on.
func TestBatchInProcessInPart(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Minute} {
		app := newApp("Front", traffic(timeout, 0))
		encode := runtime.HandleBatch(app.AddService("Encoder"), "encode", encodeTexts)
		runtime.HandleBatch(app, "forward", func(ctx context.Context, in []string) ([]int, error) { return encode.Call(ctx, in) })
		s := direct(t, app)
		got, err := encode.Call(t.Context(), []string{"a", "gone", "bbb"})
		var failed batcher.Errors
		if !errors.As(err, &failed) || failed[0] != nil || failed[1] == nil || failed[2] != nil || len(got) != 3 || got[0] != 1 || got[2] != 3 {
			t.Errorf("timeout %s: got %v, %v", timeout, got, err)
		}
		s.post("/forward", `{"items":["a","bb"]}`).want(t, 200, "[1,2]")
		s.post("/forward", `{"items":["a","gone"]}`).want(t, 410, `{"error":"gone","detail":[{"type":"item_error","loc":["items",1],"msg":"gone"}]}`)
		if got, err := encode.Call(t.Context(), []string{"gone"}); got != nil || err == nil {
			t.Errorf("timeout %s: a failed call returned %v, %v", timeout, got, err)
		}
	}
}

// A drain does not wait for a window to end.
func TestDrainEndsWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("S", traffic(time.Hour, 0))
		runtime.HandleBatch(app, "encode", func(_ context.Context, in []string) ([]int, error) { return make([]int, len(in)), nil },
			runtime.Batching(batcher.Config{Policy: batcher.PolicyWindow, Window: time.Minute, MaxLatency: time.Hour}))
		s, start, done := direct(t, app), time.Now(), make(chan struct{})
		go func() {
			defer close(done)
			s.post("/encode", `{"items":"a"}`).want(t, 200, "0")
		}()
		synctest.Wait()
		app.Drain()
		if <-done; time.Since(start) != 0 {
			t.Errorf("it waited %s", time.Since(start))
		}
	})
}

// The failed items of a call give the same status over HTTP, in process, and through a
// function that returns them. An error that is hidden from the client is in the log.
func TestFailedItemsOfACall(t *testing.T) {
	for _, test := range []struct {
		items  []string
		status int
		logged string
	}{
		{[]string{"a", "gone"}, 410, ""},
		{[]string{"a", "gone", "secret"}, 500, `error="items[1]: 410 Gone: gone; items[2]: a password"`},
		{[]string{"a", "secret", "gone"}, 500, `error="items[1]: a password; items[2]: 410 Gone: gone"`},
	} {
		log, logger := textLog(slog.LevelError)
		app := newApp("Front", logger)
		encode := runtime.HandleBatch(app, "encode", encodeTexts)
		pass := func(wrap string) func(context.Context, struct{}) ([]int, error) {
			return func(ctx context.Context, _ struct{}) ([]int, error) {
				out, err := encode.Call(ctx, test.items)
				if wrap != "" {
					err = fmt.Errorf("%s: %w", wrap, err)
				}
				return out, err
			}
		}
		runtime.Handle(app, "pass", pass(""))
		runtime.Handle(app, "wrapped", pass("encode"))
		runtime.Handle(app, "own", func(ctx context.Context, _ struct{}) ([]int, error) {
			_, err := encode.Call(ctx, test.items)
			return nil, &runtime.Error{Status: http.StatusTeapot, Message: "no", Err: err}
		})
		s := direct(t, app)
		for path, want := range map[string]int{"/pass": test.status, "/wrapped": test.status, "/own": http.StatusTeapot} {
			if got := s.post(path, "{}"); got.status != want {
				t.Errorf("%s %v: got %d %s, want %d", path, test.items, got.status, got.body, want)
			}
		}
		if got, want := log.String(), test.logged; !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%v: logged %s", test.items, got)
		}
		body := check.Value(json.Marshal(map[string][]string{"items": test.items}))(t)
		if got := s.post("/encode", string(body)); got.status != test.status {
			t.Errorf("%v: got %d", test.items, got.status)
		}
		if got := s.samples("request_total", `"/encode"`, fmt.Sprint(test.status), " 4.0"); got == "" {
			t.Errorf("%v: got %s", test.items, s.samples("request_total", `"/encode"`))
		}
	}
}
