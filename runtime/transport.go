package runtime

import (
	"net/http"
	"strconv"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/tracing"
)

// Transport returns a transport that propagates deadlines and traces. Each HTTP call sends
// the time that is left until the deadline of its context as Request-Timeout-Ms, unless it has
// that header. It is a child span of the request whose context it has, and sends trace
// context in the formats of tracing.propagators. Its CloseIdleConnections closes those of base.
//
//	client := &http.Client{Transport: app.Transport(nil)}
//
// base makes the calls; nil means [http.DefaultTransport]. Calls in process with [API.Call] do not need
// it.
func (s *Service) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return tracing.Transport(deadlines{base}, func() *tracing.Tracing {
		if !s.app.life.valid.Load() {
			return nil
		}
		return s.app.tracing
	})
}

// deadlines is a transport that tells the called server how long the caller waits.
type deadlines struct{ http.RoundTripper }

// RoundTrip sends Request-Timeout-Ms, unless the request has it or its context has no deadline.
func (t deadlines) RoundTrip(r *http.Request) (*http.Response, error) {
	deadline, limited := r.Context().Deadline()
	if !limited || r.Header.Get(timeoutHeader) != "" {
		return t.RoundTripper.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.Header.Set(timeoutHeader, strconv.FormatInt(max(1, time.Until(deadline).Milliseconds()), 10))
	return t.RoundTripper.RoundTrip(r)
}

// CloseIdleConnections closes those of the transport below, if it can.
func (t deadlines) CloseIdleConnections() {
	(&http.Client{Transport: t.RoundTripper}).CloseIdleConnections()
}
