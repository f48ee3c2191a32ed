package runtime_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// resets accepts connections and resets them.
func resets(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}

func answering(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server.URL
}

// A collector at fault costs the attempt and nothing else: every request is
// answered, and after a hundred pushes more there are no more goroutines, and
// not more memory in use, than before them.
func TestCollectorsAtFault(t *testing.T) {
	partial, err := proto.Marshal(&collector.ExportMetricsServiceResponse{PartialSuccess: &collector.ExportMetricsPartialSuccess{RejectedDataPoints: 1}})
	if err != nil {
		t.Fatal(err)
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	faults := map[string]string{
		"refused": closed.URL, "black hole": hole(t), "resets": resets(t),
		"unavailable": answering(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }),
		"partial": answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			_, _ = w.Write(partial)
		}),
		"slow": answering(t, func(http.ResponseWriter, *http.Request) { time.Sleep(3 * time.Millisecond) }),
	}
	for fault, url := range faults {
		for _, protocol := range []string{"http/protobuf", "grpc"} {
			t.Run(fault+", "+protocol, func(t *testing.T) {
				rt, err := runtime.New(newEcho(), runtime.WithLogger(quiet()), settings(func(c *config.Config) {
					c.OTLP.Enabled, c.OTLP.Endpoint, c.OTLP.Protocol = true, config.NewURL(url), protocol
					c.OTLP.Interval, c.OTLP.Timeout = time.Millisecond, 5*time.Millisecond
					c.Tracing.Enabled, c.Tracing.SampleRate = true, 1
				}))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = rt.Shutdown(t.Context()) }()
				heap, goroutines := drive(t, rt, 50)
				for range 2 {
					more, moreGoroutines := drive(t, rt, 50)
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

// drive serves requests until so many pushes more have been made, and returns
// what is in use then.
func drive(t *testing.T, rt *runtime.Runtime, pushes int64) (heap uint64, goroutines int) {
	t.Helper()
	for until := runtime.Pushes(rt) + pushes; runtime.Pushes(rt) < until; {
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, httptest.NewRequest("POST", "/echo", strings.NewReader("{}")))
		if w.Code != http.StatusOK || w.Body.String() != "HELLO" {
			t.Fatalf("answered %d %s", w.Code, w.Body)
		}
		time.Sleep(100 * time.Microsecond)
	}
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.HeapAlloc, goruntime.NumGoroutine()
}
