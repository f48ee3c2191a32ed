package runtime_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	metricsv1 "go.opentelemetry.io/proto/otlp/collector/metrics/v1"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// accepting listens, calls with for each connection, and returns the address.
func accepting(t *testing.T, with func(*net.TCPConn)) string {
	t.Helper()
	listener := listen(t)
	if with == nil { // connections wait in the queue for ever
		return "http://" + listener.Addr().String()
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			with(conn.(*net.TCPConn))
		}
	}()
	return "http://" + listener.Addr().String()
}

func responding(t *testing.T, respond http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(respond)
	t.Cleanup(server.Close)
	return server.URL
}

// A failing collector loses only its pushes: every request gets its response, and
// goroutines and memory do not grow with the pushes.
func TestFailingCollectors(t *testing.T) {
	partial := check.Value(proto.Marshal(&metricsv1.ExportMetricsServiceResponse{PartialSuccess: &metricsv1.ExportMetricsPartialSuccess{RejectedDataPoints: 1}}))(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	for fault, url := range map[string]string{
		"refused": closed.URL, "black hole": accepting(t, nil),
		"resets": accepting(t, func(conn *net.TCPConn) {
			_ = conn.SetLinger(0)
			_ = conn.Close()
		}),
		"unavailable": responding(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }),
		"partial": responding(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			_, _ = w.Write(partial)
		}),
		"slow": responding(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // else net/http does not see that the client leaves
			select {
			case <-r.Context().Done(): // the push gave up
			case <-t.Context().Done(): // net/http does not see it after gRPC's first bytes
			}
		}),
	} {
		for _, protocol := range []string{"http/protobuf", "grpc"} {
			t.Run(fault+", "+protocol, func(t *testing.T) {
				s := direct(t, newEcho(settings(func(c *config.Config) {
					c.OTLP.Enabled, c.OTLP.Endpoint, c.OTLP.Protocol = true, config.NewURL(url), protocol
					c.OTLP.Interval, c.OTLP.Timeout = time.Millisecond, 5*time.Millisecond
					c.Tracing.Enabled, c.Tracing.SampleRate = true, 1
				})))
				heap, goroutines := s.push(30)
				for range 2 {
					more, moreGoroutines := s.push(30)
					if more < heap+heap/4+1<<20 && moreGoroutines <= goroutines+10 {
						return
					}
					t.Logf("heap %d kB, then %d; goroutines %d, then %d", heap>>10, more>>10, goroutines, moreGoroutines)
				}
				t.Error("memory or goroutines grow with the pushes")
			})
		}
	}
}

// push sends requests until that many more pushes have ended. It returns the heap and
// the goroutines in use then.
func (s *server) push(pushes float64) (heap uint64, goroutines int) {
	s.t.Helper()
	for until := s.pushes() + pushes; s.pushes() < until; {
		s.post("/echo", "{}").want(s.t, 200, "HELLO")
	}
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.HeapAlloc, goruntime.NumGoroutine()
}

// pushes returns about how many pushes of metrics have ended.
func (s *server) pushes() float64 {
	sum := func(family string) (n float64) {
		for line := range strings.Lines(s.samples(family, `"metrics"`)) {
			value := check.Value(strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64))(s.t)
			n += value
		}
		return n
	}
	return sum("ekiben_otlp_failures_total") + sum("ekiben_otlp_exported_total")/100 // a push has about as many points
}
