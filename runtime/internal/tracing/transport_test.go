package tracing

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// roundTrip is a function as a base transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A trace is propagated to other servers in each configured format, with the span of
// the call as the parent. So is the decision not to sample it.
func TestTransport(t *testing.T) {
	for name, parts := range map[string]func(http.Header) (id, parent, flag string){
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
		for _, c := range []struct {
			traceparent, flag string
			spans             int
		}{{sampled, "1", 1}, {unsampled, "0", 0}} {
			tr, recorded := record(config.Tracing{Propagators: []string{"tracecontext", name}, TrustIncoming: true, ParentBased: true})
			ctx := tr.request("/shout", post(), 200, "traceparent", c.traceparent)
			recorded.Reset()
			var sent http.Header
			client := Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
				sent = r.Header
				return &http.Response{StatusCode: 204, Body: http.NoBody, Request: r}, nil
			}), func() *Tracing { return tr })
			response, err := client.RoundTrip(httptest.NewRequest(http.MethodGet, "http://other", http.NoBody).WithContext(ctx))
			if err != nil || response.Body.Close() != nil {
				t.Fatal(err)
			}
			id, parent, flag := parts(sent)
			if id != callersTrace || flag != c.flag || len(recorded.Ended()) != c.spans {
				t.Errorf("%s: sent %v, %d spans", name, sent, len(recorded.Ended()))
			}
			for _, span := range recorded.Ended() {
				if span.SpanContext().SpanID().String() != parent || span.Parent().SpanID() != trace.SpanContextFromContext(ctx).SpanID() || span.SpanKind() != trace.SpanKindClient {
					t.Errorf("%s: sent %v, the span is %v", name, sent, span)
				}
			}
		}
	}
}

// Without tracing, and before tracing is known, base gets the same request and nothing
// is allocated. With tracing, base still makes the call.
func TestTransportIsBase(t *testing.T) {
	var got *http.Request
	response := &http.Response{StatusCode: 204, Body: http.NoBody}
	var now *Tracing
	client := Transport(roundTrip(func(r *http.Request) (*http.Response, error) { got = r; return response, nil }), func() *Tracing { return now })
	r := httptest.NewRequest(http.MethodGet, "http://other", http.NoBody)
	allocations := testing.AllocsPerRun(100, func() {
		if res, err := client.RoundTrip(r); err != nil || res != response || got != r {
			t.Errorf("%v, another request or response: %v, %v", err, got, res)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
	now, _ = record(config.Tracing{SampleRate: 1, Propagators: []string{"tracecontext"}})
	if res, err := client.RoundTrip(r); err != nil || res.StatusCode != 204 || got.Header.Get("Traceparent") == "" || got == r {
		t.Errorf("%v, %v, sent %v", res, err, got.Header)
	}
}
