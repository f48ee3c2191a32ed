package runtime_test

import (
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

const (
	callersTrace = "0af7651916cd43dd8448eb211c80319c"
	callersSpan  = "b7ad6b7169203331"
)

// spanOf serves one request of a caller that traces, and returns its span; nil
// if there is none.
func spanOf(t *testing.T, tracing config.Tracing, headers ...string) *tracepb.Span {
	t.Helper()
	var kept spans
	remote := httptest.NewServer(&kept)
	defer remote.Close()
	tracing.Enabled = true
	t.Run("served", func(t *testing.T) {
		s := serve(t, newEcho(), settings(func(c *config.Config) {
			c.Tracing = tracing
			c.OTLP.Traces.Endpoint = config.NewURL(remote.URL)
		}))
		s.do("POST", "/echo", "{}", headers...)
	})
	if len(kept.got) == 0 {
		return nil
	}
	return kept.got[0]
}

// A caller's trace goes on in each format that is configured, and only then, and
// only if callers are trusted.
func TestPropagation(t *testing.T) {
	w3c := []string{"traceparent", "00-" + callersTrace + "-" + callersSpan + "-01"}
	b3 := []string{"b3", callersTrace + "-" + callersSpan + "-1"}
	b3multi := []string{"X-B3-TraceId", callersTrace, "X-B3-SpanId", callersSpan, "X-B3-Sampled", "1"}
	for _, test := range []struct {
		name        string
		propagators string
		trust       bool
		headers     []string
		goesOn      bool
	}{
		{"w3c", "tracecontext,baggage", true, w3c, true},
		{"b3", "b3", true, b3, true},
		{"b3multi", "tracecontext,b3multi", true, b3multi, true},
		{"b3 is not configured", "tracecontext", true, b3, false},
		{"w3c is not configured", "b3", true, w3c, false},
		{"nobody is trusted", "tracecontext,b3", false, w3c, false},
		{"not sampled by the caller", "tracecontext", true, []string{"traceparent", "00-" + callersTrace + "-" + callersSpan + "-00"}, false},
		{"nonsense", "tracecontext,b3", true, []string{"traceparent", "00-zz-\xff-01", "b3", "1"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			span := spanOf(t, config.Tracing{Propagators: strings.Split(test.propagators, ","), TrustIncoming: test.trust, ParentBased: true}, test.headers...)
			if (span != nil) != test.goesOn {
				t.Fatalf("got %v", span)
			}
			if span != nil && (hex.EncodeToString(span.GetTraceId()) != callersTrace || hex.EncodeToString(span.GetParentSpanId()) != callersSpan) {
				t.Errorf("got %v", span)
			}
		})
	}
}

// A caller decides for itself where tracing.parent_based says so, and the rate
// decides where it does not.
func TestParentBased(t *testing.T) {
	for _, test := range []struct {
		parentBased bool
		rate        float64
		flags       string
		recorded    bool
	}{
		{true, 0, "01", true},
		{true, 1, "00", false},
		{false, 0, "01", false},
		{false, 1, "00", true},
	} {
		tracing := config.Tracing{Propagators: []string{"tracecontext"}, TrustIncoming: true, ParentBased: test.parentBased, SampleRate: test.rate}
		span := spanOf(t, tracing, "traceparent", "00-"+callersTrace+"-"+callersSpan+"-"+test.flags)
		if (span != nil) != test.recorded {
			t.Errorf("%+v: got %v", test, span)
		}
		if span != nil && hex.EncodeToString(span.GetTraceId()) != callersTrace {
			t.Errorf("%+v: the trace does not go on: %v", test, span)
		}
	}
}

// The rate decides for traces that begin here, by their ids: about that share of
// them is kept. Of 200 at a half, fewer than 50 or more than 150 come once in
// 10^12 times.
func TestSampleRateIsAShare(t *testing.T) {
	var kept spans
	remote := httptest.NewServer(&kept)
	defer remote.Close()
	t.Run("served", func(t *testing.T) {
		s := serve(t, newEcho(), settings(func(c *config.Config) {
			c.Tracing.Enabled, c.Tracing.SampleRate = true, 0.5
			c.OTLP.Traces.Endpoint = config.NewURL(remote.URL)
		}))
		for range 200 {
			s.post("/echo", "{}").want(t, 200, "HELLO")
		}
	})
	if n := len(kept.got); n < 50 || n > 150 {
		t.Errorf("%d of 200 traces are kept", n)
	}
}

// A caller who is not trusted decides nothing: a trace of our own begins, which
// links to the caller's span.
func TestStrangersAreLinked(t *testing.T) {
	for _, flags := range []string{"00", "01"} {
		tracing := config.Tracing{Propagators: []string{"tracecontext"}, ParentBased: true, SampleRate: 1}
		span := spanOf(t, tracing, "traceparent", "00-"+callersTrace+"-"+callersSpan+"-"+flags)
		if span == nil {
			t.Fatalf("flags %s: no span", flags)
		}
		if len(span.GetParentSpanId()) != 0 || hex.EncodeToString(span.GetTraceId()) == callersTrace {
			t.Errorf("flags %s: the caller's trace goes on: %v", flags, span)
		}
		links := span.GetLinks()
		if len(links) != 1 || hex.EncodeToString(links[0].GetTraceId()) != callersTrace || hex.EncodeToString(links[0].GetSpanId()) != callersSpan {
			t.Errorf("flags %s: links %v", flags, links)
		}
	}
}

// A span says what OpenTelemetry's conventions for HTTP servers ask for. What a
// client did wrong is no error of the server's: it has neither error.type nor
// the status of one.
func TestSpanAttributes(t *testing.T) {
	var kept spans
	remote := httptest.NewServer(&kept)
	defer remote.Close()
	var url string
	t.Run("served", func(t *testing.T) {
		s := serve(t, newEcho(), settings(func(c *config.Config) {
			c.Tracing.Enabled, c.Tracing.SampleRate = true, 1
			c.OTLP.Traces.Endpoint = config.NewURL(remote.URL)
		}))
		url = s.url
		s.do("POST", "/echo", "{}", "User-Agent", "test").want(t, 200, "HELLO")
		s.do("POST", "/echo", `{"text":"boom"}`, "User-Agent", "test").want(t, 500, masked)
		s.do("POST", "/nowhere", "{}", "User-Agent", "test")
	})
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	want := func(name, path, code string, more map[string]string) map[string]string {
		all := map[string]string{
			"name": name, "kind": "SPAN_KIND_SERVER", "status": "STATUS_CODE_UNSET",
			"http.request.method": "POST", "url.path": path, "url.scheme": "http", "http.response.status_code": code,
			"server.address": "127.0.0.1", "server.port": port, "network.protocol.version": "1.1", "user_agent.original": "test",
		}
		maps.Copy(all, more)
		return all
	}
	wants := []map[string]string{
		want("POST /echo", "/echo", "200", map[string]string{"http.route": "/echo"}),
		want("POST /echo", "/echo", "500", map[string]string{"http.route": "/echo", "error.type": "500", "status": "STATUS_CODE_ERROR"}),
		want("POST", "/nowhere", "404", nil),
	}
	if len(kept.got) != len(wants) {
		t.Fatalf("got %v", kept.got)
	}
	for i, span := range kept.got {
		got := map[string]string{"name": span.GetName(), "kind": span.GetKind().String(), "status": span.GetStatus().GetCode().String()}
		for _, a := range span.GetAttributes() {
			got[a.GetKey()] = plain(a.GetValue())
		}
		for _, key := range []string{"client.address", "network.peer.address", "network.peer.port", "http.request.body.size", "http.response.body.size"} {
			delete(got, key) // the socket's, and sizes
		}
		if !maps.Equal(got, wants[i]) {
			t.Errorf("got\n%v\nwant\n%v", got, wants[i])
		}
	}
}

// What a stranger makes up is in no span's name.
func TestSpanNames(t *testing.T) {
	var kept spans
	remote := httptest.NewServer(&kept)
	defer remote.Close()
	t.Run("served", func(t *testing.T) {
		s := serve(t, newEcho(), settings(func(c *config.Config) {
			c.HTTP.PathPrefix = "/ml"
			c.Tracing.Enabled, c.Tracing.SampleRate = true, 1
			c.OTLP.Traces.Endpoint = config.NewURL(remote.URL)
		}))
		s.do("POST", "/ml/echo", "{}")
		s.do("BREW", "/ml/echo", "{}")
		s.do("GET", "/nowhere/4711", "")
	})
	var names []string
	for _, span := range kept.got {
		names = append(names, span.GetName())
	}
	slices.Sort(names)
	if want := []string{"GET", "HTTP /ml/echo", "POST /ml/echo"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

// Without tracing a request allocates what it does where there is no such stage,
// and with it more.
func TestTracingOffIsFree(t *testing.T) {
	allocations := func(h http.Handler) float64 {
		w := &writer{header: http.Header{}}
		r, _ := http.NewRequest("POST", "/echo", nil)
		r.ContentLength = 16
		return testing.AllocsPerRun(200, func() {
			clear(w.header)
			r.Body = io.NopCloser(strings.NewReader(`{"text":"hello"}`))
			h.ServeHTTP(w, r)
		})
	}
	off := allocations(benchRuntime(t, nil))
	stageless := allocations(runtime.WithoutTracing(benchRuntime(t, nil)))
	on := allocations(benchRuntime(t, func(c *config.Config) { c.Tracing.Enabled, c.Tracing.SampleRate = true, 0 }))
	if off != stageless || on <= off {
		t.Errorf("allocations without the stage %v, off %v, on %v", stageless, off, on)
	}
}
