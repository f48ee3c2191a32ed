package runtime_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

// Requests and responses are BentoML's, however the app is served.
func TestWire(t *testing.T) {
	const text, server = "text/plain; charset=utf-8", "BentoML Service/Echo"
	invalid := func(violation string) string {
		return `{"error":"1 validation error for Input","detail":[` + violation + `]}`
	}
	bubbles(t, func(t *testing.T, host host) {
		var log logBuffer
		s := host.start(t, newEcho(traffic(time.Minute, 0), runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
		for _, test := range []struct {
			method, path, body string
			status             int
			want               string
			from, contentType  string
		}{
			{"POST", "/echo", `{"text":"hello"}`, 200, "HELLO", server, text},
			{"POST", "/echo", `{}`, 200, "HELLO", server, text},
			{"POST", "/echo", ``, 200, "HELLO", server, text},
			{"POST", "/echo", `{"text":"a","other":1}`, 200, "A", server, text},
			{"POST", "/v1/lengths", `{"texts":["a","bb"]}`, 200, "[1,2]", server, "application/json"},
			{"POST", "/v1/lengths", `{"texts":[]}`, 200, "[]", server, "application/json"},
			{"POST", "/echo", `{"text":"boom"}`, 500, masked, server, "application/json"},
			{"POST", "/echo", `{"text":"panic"}`, 500, masked, server, "application/json"},
			{"POST", "/echo", `{"text":"odd"}`, 500, masked, server, "application/json"},
			{"POST", "/echo", `{"text":"teapot"}`, 418, `{"error":"no coffee"}`, server, "application/json"},
			{"POST", "/echo", `{"text":"wrapped"}`, 409, `{"error":"taken","detail":[1]}`, server, "application/json"},
			{"POST", "/echo", `{"text":4}`, 400, invalid(`{"type":"string_type","loc":["text"],"msg":"Input should be a valid string"}`), server, "application/json"},
			{"POST", "/v1/lengths", `{}`, 400, invalid(`{"type":"missing","loc":["texts"],"msg":"Field required"}`), server, "application/json"},
			{"POST", "/v1/lengths", `["a"]`, 400, invalid(`{"type":"model_type","loc":[],"msg":"Input should be an object"}`), server, "application/json"},
			{"GET", "/echo", "", 405, "Method Not Allowed", "", text},
			{"INVENTED", "/echo", "", 405, "Method Not Allowed", "", text},
			{"GET", "/nope", "", 404, "Not Found", "", text},
			{"GET", "/livez", "", 200, "\n", "", text},
			{"GET", "/readyz", "", 200, "\n", "", text},
			{"GET", "/healthz", "", 200, "\n", "", text},
			{"POST", "/livez", "", 405, "Method Not Allowed", "", text},
		} {
			got := s.do(test.method, test.path, test.body)
			got.want(t, test.status, test.want)
			if from, contentType := got.header.Get("Server"), got.header.Get("Content-Type"); from != test.from || contentType != test.contentType {
				t.Errorf("%s %s %s: Server %q, Content-Type %q", test.method, test.path, test.body, from, contentType)
			}
		}
		if got := s.do("GET", "/echo", "").header.Get("Allow"); got != "POST" {
			t.Errorf("Allow: %q", got)
		}
		for _, want := range []string{`error="secret: boom"`, `error="panic: secret: panic"`} {
			check.Contains(t, log.String(), want)
		}
	})
}

// All errors of all declarations are returned at once, and again by the next call.
func TestDeclarationErrors(t *testing.T) {
	cfg := config.Default()
	cfg.Services = map[string]config.Service{"Nobody": {}}
	cfg.Traffic.Timeout = -time.Second
	cfg.Metrics.Views.Endpoints = map[string]views.Endpoint{"/nobody": {}, "/same": {}}
	app := newApp("Bad", runtime.WithConfig(cfg))
	fn := func(context.Context, text) (string, error) { return "", nil }
	runtime.Handle(app, "a b", fn)
	runtime.Handle(app, "same", fn)
	runtime.Handle(app, "same", fn)
	runtime.Handle(app, "other", fn, runtime.Route("/same"))
	runtime.Handle(app, "metrics", fn)
	runtime.Handle(app, "slash", fn, runtime.Route("/slash/"))
	runtime.Handle[text, string](app, "none", nil)
	runtime.Handle(app, "limits", fn, runtime.Timeout(-time.Second), runtime.MaxConcurrency(-1))
	runtime.Handle(app, "bare", fn, runtime.Timeout(5))
	runtime.HandleBatch(app, "waits", func(_ context.Context, in []int) ([]int, error) { return in, nil }, runtime.Batching(batcher.Config{MaxLatency: 5, Window: 5}))
	runtime.Handle(app, "input", func(context.Context, struct{ C, D chan int }) (string, error) { return "", nil })
	runtime.Handle(app, "image", func(context.Context, text) ([]int, error) { return nil, nil }, runtime.ContentType("image/png"))
	runtime.HandleBatch(app, "images", func(context.Context, []string) ([]string, error) { return nil, nil }, runtime.ContentType("image/png"))
	for i, legal := range []string{"application/x-ndjson", "application/vnd.api+json; charset=utf-8", "text/csv"} {
		runtime.Handle(app, fmt.Sprint("legal", i), func(context.Context, text) ([]int, error) { return nil, nil }, runtime.ContentType(legal))
	}
	runtime.Handle(app, "output", func(context.Context, text) (chan int, error) { return nil, nil })
	app.AddService("Bad")
	want := `service "Bad": API "a b": name must match ^[A-Za-z_][A-Za-z0-9_]*$
service "Bad": API "a b": ` + unclean + `"/a b"
service "Bad": API "same": declared twice
service "Bad": API "other": route /same belongs to API "same" (/same)
service "Bad": API "metrics": route /metrics is reserved for the runtime; choose another with runtime.Route
service "Bad": API "slash": ` + unclean + `"/slash/"
service "Bad": API "none": function: must not be nil
service "Bad": API "limits": runtime.Timeout: must be 0 or at least 1ms, such as 5*time.Second, found -1s
service "Bad": API "limits": runtime.MaxConcurrency: must not be negative, found -1
service "Bad": API "bare": runtime.Timeout: must be 0 or at least 1ms, such as 5*time.Second, found 5ns
service "Bad": API "waits": batching: max_latency_ms: must be 0 (the default) or at least 1ms, found 5ns
service "Bad": API "waits": batching: window_ms: must be 0 or at least 1µs, found 5ns
service "Bad": API "input": input: struct.C: chan int cannot be read from JSON: it is a channel; use a slice
service "Bad": API "input": input: struct.D: chan int cannot be read from JSON: it is a channel; use a slice
service "Bad": API "image": runtime.ContentType: must be JSON or text for a result that is sent as JSON, found "image/png"; a result with another media type is a string
service "Bad": API "images": runtime.ContentType: must be JSON or text for a result that is sent as JSON, found "image/png"; a result with another media type is a string
service "Bad": API "output": output: chan int: cannot be written as JSON: it is a channel; use a slice
service "Bad": two services have this name
service "Bad": has no API; declare one, for example with runtime.Handle
services.Nobody: no service has this name; services: Bad, Bad
metrics.endpoints./nobody: no API has this route; routes: /a b, /same, /metrics, /slash/, /none, /limits, /bare, /waits, /input, /image, /images, /legal0, /legal1, /legal2, /output, /, /metrics, /healthz, /livez, /readyz, /schema.json, /docs.json
traffic.timeout: must be 0 or at least 1ms, found -1`
	for range 2 {
		check.Error(t, app.Check(), want)
	}
}
