package runtime_test

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// passedOn has a service call another server for a request of a caller that
// traces, and returns what that server was sent and the spans that there were.
func passedOn(t *testing.T, tracing config.Tracing, traceparent string) (http.Header, []*tracepb.Span) {
	t.Helper()
	var got http.Header
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }))
	defer other.Close()
	var kept spans
	remote := httptest.NewServer(&kept)
	defer remote.Close()
	svc := runtime.NewService("Front")
	client := &http.Client{Transport: svc.Transport(nil)}
	runtime.Handle(svc, "ask", func(ctx context.Context, _ text) (string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, other.URL, nil)
		if err != nil {
			return "", err
		}
		answer, err := client.Do(r)
		if err != nil {
			return "", err
		}
		return answer.Status, answer.Body.Close()
	})
	t.Run("served", func(t *testing.T) {
		s := serve(t, svc, settings(func(c *config.Config) {
			c.Tracing = tracing
			c.OTLP.Traces.Endpoint = config.NewURL(remote.URL)
		}))
		s.do("POST", "/ask", "{}", "traceparent", traceparent).want(t, 200, "200 OK")
	})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	return got, kept.got
}

// A trace goes on to other servers in each format that is configured, below the
// span of the call, and the decision not to keep it goes on too.
func TestTraceIsPassedOn(t *testing.T) {
	const sampled, unsampled = "00-" + callersTrace + "-" + callersSpan + "-01", "00-" + callersTrace + "-" + callersSpan + "-00"
	for name, parts := range map[string]func(http.Header) (trace, parent, flag string){
		"tracecontext": func(h http.Header) (string, string, string) {
			p := strings.Split(h.Get("Traceparent")+"---", "-")
			return p[1], p[2], strings.TrimPrefix(p[3], "0")
		},
		"b3": func(h http.Header) (string, string, string) {
			p := strings.Split(h.Get("B3")+"--", "-")
			return p[0], p[1], p[2]
		},
		"b3multi": func(h http.Header) (string, string, string) {
			return h.Get("X-B3-Traceid"), h.Get("X-B3-Spanid"), h.Get("X-B3-Sampled")
		},
	} {
		t.Run(name, func(t *testing.T) {
			tracing := config.Tracing{Enabled: true, SampleRate: 1, TrustIncoming: true, ParentBased: true, Propagators: []string{"tracecontext"}}
			if name != "tracecontext" {
				tracing.Propagators = []string{"tracecontext", name}
			}
			header, kept := passedOn(t, tracing, sampled)
			trace, parent, flag := parts(header)
			if trace != callersTrace || flag != "1" || len(kept) != 2 {
				t.Fatalf("passed on %v, %d spans", header, len(kept))
			}
			client, server := kept[0], kept[1]
			if hex.EncodeToString(client.GetSpanId()) != parent || string(client.GetParentSpanId()) != string(server.GetSpanId()) || client.GetKind() != tracepb.Span_SPAN_KIND_CLIENT {
				t.Errorf("passed on %v, spans %v, %v", header, client, server)
			}
			header, kept = passedOn(t, tracing, unsampled)
			if trace, _, flag := parts(header); trace != callersTrace || flag != "0" || len(kept) != 0 {
				t.Errorf("of one that is not kept: passed on %v, %d spans", header, len(kept))
			}
		})
	}
	header, kept := passedOn(t, config.Tracing{}, sampled)
	if header.Get("Traceparent") != "" || len(kept) != 0 {
		t.Errorf("without tracing: passed on %v, %d spans", header, len(kept))
	}
}

// roundTrip is a base that is given.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Without tracing, and before there is a runtime, a call is what base makes of
// it: the same request, and nothing allocated. With tracing base makes it still.
func TestTransportIsBase(t *testing.T) {
	var got *http.Request
	response := &http.Response{StatusCode: 204, Body: http.NoBody}
	base := roundTrip(func(r *http.Request) (*http.Response, error) { got = r; return response, nil })
	for _, state := range []string{"unbound", "off", "on"} {
		svc := newEcho()
		transport := svc.Transport(base)
		if state != "unbound" {
			rt, err := runtime.New(svc, runtime.WithLogger(quiet()), settings(func(c *config.Config) { c.Tracing.Enabled = state == "on" }))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = rt.Shutdown(context.Background()) }()
		}
		r := httptest.NewRequest("GET", "http://other", nil)
		answer, err := transport.RoundTrip(r)
		if err != nil || answer.StatusCode != 204 || got == nil {
			t.Fatalf("%s: got %v, %v", state, answer, err)
		}
		if state == "on" {
			if got.Header.Get("Traceparent") == "" {
				t.Error("nothing is passed on")
			}
			continue
		}
		allocations := testing.AllocsPerRun(100, func() { _, _ = transport.RoundTrip(r) })
		if got != r || answer != response || allocations != 0 {
			t.Errorf("%s: another request is made, with %v allocations", state, allocations)
		}
	}
}
