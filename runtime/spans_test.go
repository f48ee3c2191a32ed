package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// tree returns the spans as name(parent's name) status, sorted.
func tree(recorded *tracetest.SpanRecorder) string {
	names := map[string]string{}
	for _, span := range recorded.Ended() {
		names[span.SpanContext().SpanID().String()] = span.Name()
	}
	var lines []string
	for _, span := range recorded.Ended() {
		lines = append(lines, fmt.Sprintf("%s (%s) %s", span.Name(), names[span.Parent().SpanID().String()], span.Status().Code))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// A request has a span, named by its route with the prefix. A call of another service
// and a batch have child spans. The function's own spans are below these.
func TestSpans(t *testing.T) { synctest.Test(t, spansOfRequests) }

func spansOfRequests(t *testing.T) {
	recorded := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded))
	app := newApp("Front", runtime.WithTracerProvider(provider), settings(func(c *config.Config) { c.HTTP.PathPrefix = "/ml" }))
	model := func(ctx context.Context, in string) error {
		_, span := provider.Tracer("model").Start(ctx, "model")
		defer span.End()
		if in == "boom" {
			return errors.New("no model")
		}
		return nil
	}
	encode := runtime.Handle(app.AddService("Encoder"), "encode", func(ctx context.Context, in string) (int, error) { return len(in), model(ctx, in) })
	runtime.Handle(app, "count", func(ctx context.Context, in text) (int, error) { return encode.Call(ctx, in.Text) }, runtime.Route("/{lane}/count"))
	runtime.HandleBatch(app, "embed", func(ctx context.Context, in []string) ([]int, error) { return make([]int, len(in)), model(ctx, in[0]) })
	h := handler(t, app)
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/ml/fast/count", `{"text":"four"}`, "Encoder/encode (POST /ml/{lane}/count) Unset\nPOST /ml/{lane}/count () Unset\nmodel (Encoder/encode) Unset"},
		{"POST", "/ml/fast/count", `{"text":"boom"}`, "Encoder/encode (POST /ml/{lane}/count) Error\nPOST /ml/{lane}/count () Error\nmodel (Encoder/encode) Unset"},
		{"POST", "/ml/embed", `{"items":"a"}`, "POST /ml/embed () Unset\nbatch embed (POST /ml/embed) Unset\nmodel (batch embed) Unset"},
		{"BREW", "/ml/embed", "", "HTTP /ml/embed () Unset"},
		{"GET", "/nowhere/4711", "", "GET () Unset"},
		{"GET", "/ml/livez", "", "GET /ml/livez () Unset"},
		{"GET", "/ml/metrics", "", ""},
	} {
		recorded.Reset()
		call(h, c.method, c.path, c.body)
		synctest.Wait() // for the end of the batch
		if got := tree(recorded); got != c.want {
			t.Errorf("%s %s: got\n%s\nwant\n%s", c.method, c.path, got, c.want)
		}
	}
}

// The span of a response that was cut has the status that was sent, and why it failed. It has
// no event for the panic that cuts the connection.
func TestSpansOfCutResponses(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		recorded := tracetest.NewSpanRecorder()
		app := streams(runtime.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded))),
			settings(func(c *config.Config) { c.HTTP.H2C, c.Traffic.Stream.IdleTimeout = true, 2*time.Second }))
		inner := runtime.HandleStream(app.AddService("Inner"), "inner", words)
		runtime.HandleStream(app, "outer", func(ctx context.Context, in text) iter.Seq2[string, error] { return inner.Call(ctx, in) })
		runtime.HandleEvents(app, "events", func(context.Context, text) iter.Seq2[runtime.Event[string], error] {
			return func(yield func(runtime.Event[string], error) bool) {
				_ = yield(runtime.Event[string]{Data: "a"}, nil) && yield(runtime.Event[string]{}, errors.New("boom"))
			}
		}, runtime.ErrorEvent("error"))
		app.Use(middlewareOf(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.RawQuery == "panic" {
				_, _ = w.Write([]byte("a"))
				panic("boom")
			}
			return true
		}))
		s := host.start(t, app)
		for _, c := range []struct{ path, text, want string }{
			{"/words", "a b", "POST /words Unset 200  0 events"},
			{"/words", "a gone", "POST /words Error 200 error 0 events"},
			{"/words", "a panic", "POST /words Error 200 error 0 events"},
			{"/words", "a deaf b", "POST /words Error 200 idle 0 events"},
			{"/words", "gone", "POST /words Unset 410  0 events"},
			{"/events", "a", "POST /events Error 200 error 0 events"},
			{"/words?panic", "a", "POST /words Error 200 500 0 events"},
			{"/outer", "a boom", "Inner/inner Error  error 0 events\nPOST /outer Error 200 error 0 events"},
		} {
			recorded.Reset()
			_, _ = s.try("POST", c.path, `{"text":"`+c.text+`"}`)
			time.Sleep(time.Minute) // the function has ended
			var lines []string
			for _, span := range recorded.Ended() {
				has := map[attribute.Key]string{}
				for _, a := range span.Attributes() {
					has[a.Key] = a.Value.Emit()
				}
				lines = append(lines, fmt.Sprintf("%s %s %s %s %d events", span.Name(), span.Status().Code, has["http.response.status_code"], has["error.type"], len(span.Events())))
			}
			check.Equal(t, strings.Join(lines, "\n"), c.want)
		}
	})
}

// The exemplar of a request has the request's trace. The caller's trace is continued,
// also to another server.
func TestTracesGoOn(t *testing.T) {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	app := newApp("Front", runtime.WithTracerProvider(sdktrace.NewTracerProvider()), settings(func(c *config.Config) { c.Tracing.TrustIncoming = true }))
	var sent string
	client := &http.Client{Transport: app.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
		sent = r.Header.Get("Traceparent")
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
	}))}
	runtime.Handle(app, "ask", func(ctx context.Context, _ text) (string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://other", nil)
		if err != nil {
			return "", err
		}
		response, err := client.Do(r)
		if err != nil {
			return "", err
		}
		return response.Status, response.Body.Close()
	})
	h := handler(t, app)
	r := httptest.NewRequest("POST", "/ask", strings.NewReader("{}"))
	r.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if !strings.HasPrefix(sent, "00-"+trace+"-") || !strings.HasSuffix(sent, "-01") {
		t.Errorf("sent %q", sent)
	}
	r = httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if n := strings.Count(w.Body.String(), `trace_id="`+trace+`"`); n != 1 {
		t.Errorf("%d exemplars have the trace of the request", n)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What the resource of metrics and spans lacks is logged once.
func TestIncompleteResource(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "broken")
	for _, metrics := range []bool{true, false} {
		log, logger := textLog(slog.LevelInfo)
		app := newEcho(logger, settings(func(c *config.Config) { c.Tracing.Enabled, c.Metrics.Enabled = true, metrics }))
		handler(t, app)
		if got := strings.Count(log.String(), "resource is incomplete"); got != 1 {
			t.Errorf("metrics %t: logged %d times\n%s", metrics, got, log)
		}
	}
}
