package tracing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	callersTrace = "0af7651916cd43dd8448eb211c80319c"
	callersSpan  = "b7ad6b7169203331"
	sampled      = "00-" + callersTrace + "-" + callersSpan + "-01"
	unsampled    = "00-" + callersTrace + "-" + callersSpan + "-00"
)

// record makes the Tracing of a configuration, and a recorder of its spans.
func record(cfg config.Tracing) (*Tracing, *tracetest.SpanRecorder) {
	t, recorded := New(cfg, resource.Empty()), tracetest.NewSpanRecorder()
	t.own.RegisterSpanProcessor(recorded)
	return t, recorded
}

// request sends a request through the span handler, with headers as pairs. It returns
// the context of the next handler.
func (t *Tracing) request(pattern string, r *http.Request, status int, headers ...string) (next context.Context) {
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	r.Pattern = pattern
	t.Server("Front", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next = r.Context()
		w.WriteHeader(status)
		SetServerError(next, status)
	})).ServeHTTP(httptest.NewRecorder(), r)
	return next
}

func post() *http.Request { return httptest.NewRequest(http.MethodPost, "/shout", http.NoBody) }

// A caller's trace is continued in each configured format if trust_incoming is true.
// Otherwise a new trace begins, with a link to the caller's span. parent_based says
// who decides about sampling.
func TestIncomingTraces(t *testing.T) {
	w3c, w3cUnsampled := []string{"traceparent", sampled}, []string{"traceparent", unsampled}
	b3 := []string{"b3", callersTrace + "-" + callersSpan + "-1"}
	b3multi := []string{"X-B3-TraceId", callersTrace, "X-B3-SpanId", callersSpan, "X-B3-Sampled", "1"}
	const goesOn, begins, linked, none = "goes on", "begins", "begins, linked", "no span"
	for _, c := range []struct {
		propagators string
		trust       bool
		parentBased bool
		rate        float64
		headers     []string
		want        string
	}{
		{"tracecontext,baggage", true, true, 0, w3c, goesOn},
		{"b3", true, true, 0, b3, goesOn},
		{"tracecontext,b3multi", true, true, 0, b3multi, goesOn},
		{"tracecontext", true, true, 0, b3, none}, // a format that is not configured
		{"b3", true, true, 0, w3c, none},
		{"tracecontext", true, true, 1, b3, begins},
		{"tracecontext", true, true, 1, w3cUnsampled, none},
		{"tracecontext", true, false, 0, w3c, none},
		{"tracecontext", true, false, 1, w3cUnsampled, goesOn},
		{"tracecontext", false, true, 0, w3c, none},
		{"tracecontext", false, true, 1, w3c, linked},
		{"tracecontext", false, true, 1, w3cUnsampled, linked},
		{"tracecontext,b3", true, true, 1, []string{"traceparent", "00-zz-\xff-01", "b3", "1"}, begins},
	} {
		tr, recorded := record(config.Tracing{Propagators: strings.Split(c.propagators, ","), TrustIncoming: c.trust, ParentBased: c.parentBased, SampleRate: c.rate})
		tr.request("/shout", post(), 200, c.headers...)
		got := none
		if spans := recorded.Ended(); len(spans) == 1 {
			got = begins
			if spans[0].SpanContext().TraceID().String() == callersTrace && spans[0].Parent().SpanID().String() == callersSpan {
				got = goesOn
			}
			for _, link := range spans[0].Links() {
				if link.SpanContext.TraceID().String() == callersTrace && link.SpanContext.SpanID().String() == callersSpan {
					got += ", linked"
				}
			}
		}
		if got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

// About the share sample_rate of new traces is sampled. Of 200 traces at a rate of
// 0.5, fewer than 50 or more than 150 are sampled once in 10^12 tests. The rate
// changes while requests run.
func TestSampleRate(t *testing.T) {
	tr, recorded := record(config.Tracing{ParentBased: true, SampleRate: 0.5})
	for _, c := range []struct {
		rate      float64
		low, high int
	}{{0.5, 50, 150}, {0, 0, 0}, {1, 200, 200}} {
		tr.SetRatio(c.rate)
		recorded.Reset()
		for range 200 {
			tr.request("/shout", post(), 200)
		}
		if n := len(recorded.Ended()); n < c.low || n > c.high {
			t.Errorf("%d of 200 traces are kept at %v", n, c.rate)
		}
	}
	(*Tracing)(nil).SetRatio(1)
	With(sdktrace.NewTracerProvider(), config.Tracing{}).SetRatio(1) // no effect on a provider that the user built
}

// A span has the attributes of OpenTelemetry's conventions for HTTP servers. A client
// error is not an error of the span, and no span name has a string of a client.
func TestServerSpans(t *testing.T) {
	tr, recorded := record(config.Tracing{SampleRate: 1, MaxTagValueLength: 12})
	for _, c := range []struct {
		method, path, pattern string
		status                int
		name                  string
		want                  map[string]string
	}{
		{"POST", "/ml/shout", "/ml/shout", 200, "POST /ml/shout", map[string]string{"http.route": "/ml/shout"}},
		{"POST", "/ml/shout", "/ml/shout", 400, "POST /ml/shout", map[string]string{"http.route": "/ml/shout"}},
		{"POST", "/models/a/x", "/models/{m}/x", 500, "POST /models/{m}/x", map[string]string{"http.route": "/models/{m}/x"[:12], "error.type": "500", "": "Error"}},
		{"GET", "/nowhere/4711", "", 404, "GET", map[string]string{"url.path": "/nowhere/471"}},
		{"BREW", "/shout", "/shout", 405, "HTTP /shout", map[string]string{"http.route": "/shout", "http.request.method": "_OTHER", "http.request.method_original": "BREW"}},
	} {
		recorded.Reset()
		tr.request(c.pattern, httptest.NewRequest(c.method, c.path, http.NoBody), c.status, "User-Agent", "a client with a long name")
		span := recorded.Ended()[0]
		got := map[string]string{"": span.Status().Code.String(), "kind": span.SpanKind().String()}
		for _, a := range span.Attributes() {
			got[string(a.Key)] = a.Value.Emit()
		}
		want := map[string]string{
			"": "Unset", "kind": "server", "http.request.method": c.method, "url.path": c.path, "url.scheme": "http", "http.response.status_code": fmt.Sprint(c.status),
			"server.address": "example.com", "network.protocol.version": "1.1", "user_agent.original": "a client wit",
			"network.peer.address": "192.0.2.1", "network.peer.port": "1234", "client.address": "192.0.2.1",
		}
		maps.Copy(want, c.want)
		if span.Name() != c.name || !maps.Equal(got, want) {
			t.Errorf("%s: got\n%v\nwant\n%v", span.Name(), got, want)
		}
	}
}

// A request whose URL matches one of the expressions has no span.
func TestExcludedURLs(t *testing.T) {
	var excluded []config.Pattern
	for _, expression := range []string{"livez$", "^https://secret"} {
		p := check.Value(config.ParsePattern(expression))(t)
		excluded = append(excluded, p)
	}
	tr, recorded := record(config.Tracing{SampleRate: 1, ExcludedURLs: excluded})
	for _, url := range []string{"http://a/livez", "http://a/livez/x", "https://secret/x", "http://secret/y"} {
		tr.request("/x", httptest.NewRequest(http.MethodGet, url, http.NoBody), 200)
	}
	var paths []string
	for _, span := range recorded.Ended() {
		for _, a := range span.Attributes() {
			if a.Key == "url.path" {
				paths = append(paths, a.Value.AsString())
			}
		}
	}
	if !slices.Equal(paths, []string{"/livez/x", "/y"}) {
		t.Errorf("spans of %q", paths)
	}
}

// A call in process has a child span of the request's span. Only a failure is an error.
func TestCall(t *testing.T) {
	tr, recorded := record(config.Tracing{SampleRate: 1})
	for _, c := range []struct {
		status int
		err    error
		want   string
	}{
		{200, nil, "Encoder/encode Unset 0 events []"},
		{429, errors.New("full"), "Encoder/encode Unset 0 events []"},
		{504, errors.New("late"), `Encoder/encode Error 1 events [{"error.type":"504"}]`},
	} {
		recorded.Reset()
		parent, span := tr.provider.Tracer("test").Start(t.Context(), "request")
		ctx, end := tr.Call(parent, "Encoder", "encode")
		end(c.status, c.err)
		span.End()
		call := recorded.Ended()[0]
		got := fmt.Sprintf("%s %s %d events %v", call.Name(), call.Status().Code, len(call.Events()), call.Attributes())
		if got != c.want || call.Parent().SpanID() != span.SpanContext().SpanID() || trace.SpanContextFromContext(ctx).SpanID() != call.SpanContext().SpanID() {
			t.Errorf("got %s below %s\nwant %s", got, call.Parent().SpanID(), c.want)
		}
	}
	if ctx, end := (*Tracing)(nil).Call(t.Context(), "Encoder", "encode"); ctx != t.Context() {
		end(500, nil)
		t.Error("without tracing the context changes")
	}
}

// Send exports sampled spans. Shutdown sends the remaining spans and stops.
func TestSend(t *testing.T) {
	tr := New(config.Tracing{SampleRate: 1}, resource.Empty())
	tr.request("/shout", post(), 200) // before Send it is dropped
	var sent exporter
	tr.Send(&sent)
	tr.request("/shout", post(), 200)
	check.OK(t, errors.Join(tr.Shutdown(t.Context()), (*Tracing)(nil).Shutdown(t.Context()), With(tr.provider, tr.cfg).Shutdown(t.Context())))
	if sent != 1 {
		t.Errorf("%d spans are sent", sent)
	}
}

type exporter int

func (e *exporter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	*e += exporter(len(spans))
	return nil
}

func (e *exporter) Shutdown(context.Context) error { return nil }

// Baggage is read if it is configured.
func TestBaggage(t *testing.T) {
	for propagators, want := range map[string]string{"tracecontext,baggage": "blue", "tracecontext": ""} {
		tr, _ := record(config.Tracing{Propagators: strings.Split(propagators, ","), TrustIncoming: true})
		ctx := tr.request("/shout", post(), 200, "baggage", "tenant=blue")
		if got := baggage.FromContext(ctx).Member("tenant").Value(); got != want {
			t.Errorf("%s: got %q", propagators, got)
		}
	}
}
