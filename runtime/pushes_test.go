package runtime_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metricsv1 "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

func newShouter(opts ...runtime.Option) *runtime.App {
	app := newApp("Shouter", opts...)
	runtime.Handle(app, "shout", func(_ context.Context, in text) (string, error) { return strings.ToUpper(in.Text), nil })
	return app
}

// Shutdown makes the last push. It has the values of /metrics, and a resource.
func TestLastPush(t *testing.T) {
	for _, temporality := range []string{"cumulative", "delta"} {
		remote, url := collect(t, 0)
		pushing(t, newShouter(settings(func(c *config.Config) {
			c.App = config.App{Name: "shop", Version: "3"}
			c.OTLP.Enabled, c.OTLP.Endpoint, c.OTLP.Interval, c.OTLP.Temporality = true, url, time.Hour, temporality
			c.OTLP.Headers = map[string]config.Secret{"X-Key": config.NewSecret("key")}
		})), func(h http.Handler) {
			for range 5 {
				call(h, "POST", "/shout", "{}")
			}
		})
		if len(remote.metrics) != 1 {
			t.Fatalf("%s: %d pushes", temporality, len(remote.metrics))
		}
		push := (<-remote.metrics).GetResourceMetrics()[0]
		got := map[string]string{"X-Key": (<-remote.headers).Get("X-Key")}
		for _, a := range push.GetResource().GetAttributes() {
			if strings.HasPrefix(a.GetKey(), "service.n") || a.GetKey() == "service.version" {
				got[a.GetKey()] = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range push.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				for _, p := range m.GetHistogram().GetDataPoints() {
					got[m.GetName()] = fmt.Sprint(p.GetCount(), " ", m.GetHistogram().GetAggregationTemporality())
				}
			}
		}
		want := map[string]string{
			"X-Key": "key", "service.name": "shop", "service.version": "3",
			"bentoml_service_request_duration_seconds": "5 AGGREGATION_TEMPORALITY_" + strings.ToUpper(temporality),
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", temporality, got, want)
		}
	}
}

// /metrics counts the pushes of each signal by their outcome. Requests are not
// affected.
func TestPushesAreMeasured(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10") // milliseconds
	hole := accepting(t, nil)
	for outcome, status := range map[string]int{"": 0, "unavailable": 503, "rejected": 400, "timeout": 0} {
		for _, signal := range []string{"metrics", "traces"} {
			t.Run(signal+" "+outcome, func(t *testing.T) {
				remote, url := collect(t, status)
				log := &logged{part: "cannot be pushed", lines: make(chan string, 1000)}
				if outcome == "timeout" {
					url = config.NewURL(hole)
				}
				h := handler(t, newShouter(runtime.WithLogger(slog.New(slog.NewTextHandler(log, nil))), settings(func(c *config.Config) {
					c.OTLP.Interval, c.OTLP.Timeout, c.OTLP.Retry.Enabled = 10*time.Millisecond, time.Minute, false
					if outcome == "timeout" {
						c.OTLP.Timeout = 50 * time.Millisecond
					}
					c.Tracing.Enabled, c.Tracing.SampleRate = signal == "traces", 1
					if signal == "metrics" {
						c.OTLP.Metrics.Endpoint = url
					} else {
						c.OTLP.Traces.Endpoint = url
					}
				})))
				for range 2 { // an export begins when the one before is counted
					check.Equal(t, call(h, "POST", "/shout", "{}"), "HELLO")
					if outcome == "" {
						<-remote.headers
					}
				}
				if outcome != "" && !strings.Contains(<-log.lines, "reason="+outcome) {
					t.Error("another reason is logged")
				}
				checkPushes(t, h, signal, outcome)
			})
		}
	}
}

var pushSample = regexp.MustCompile(`^ekiben_otlp_(\w+)\{(?:reason="(\w+)",)?service_name="Shouter",service_version="not available",signal="(\w+)"\} (\S+)\n$`)

func checkPushes(t *testing.T, h http.Handler, signal, outcome string) {
	t.Helper()
	var got []string
	for line := range strings.Lines(samplesOf(h, "ekiben_otlp")) {
		parts := pushSample.FindStringSubmatch(line)
		if parts == nil || parts[3] != signal {
			t.Fatalf("got %s", line)
		}
		if parts[4] != "0.0" {
			got = append(got, parts[1]+parts[2])
		}
	}
	want := []string{"failures_total" + outcome}
	if outcome == "" {
		want = []string{"exported_total", "last_success_timestamp_seconds"}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v are more than 0, want %v", got, want)
	}
}

// Spans are sent as the configuration says, by HTTP and by gRPC.
func TestSpansAreSent(t *testing.T) {
	byHTTP, url := collect(t, 0)
	byGRPC, _ := collect(t, 0)
	listener, remote := listen(t), grpc.NewServer()
	tracev1.RegisterTraceServiceServer(remote, byGRPC)
	go func() { _ = remote.Serve(listener) }()
	defer remote.Stop()
	withUser := strings.Replace(url.Reveal(), "http://", "http://user:pass@", 1)
	for _, c := range []struct {
		to            *collector
		cfg           config.OTLPSignal
		authorization string
	}{
		{byHTTP, config.OTLPSignal{Endpoint: config.NewURL(withUser), Protocol: "http/protobuf", Compression: "none"}, "Basic " + base64.StdEncoding.EncodeToString([]byte("user:pass"))},
		{byGRPC, config.OTLPSignal{Endpoint: config.NewURL(listener.Addr().String()), TLS: config.OTLPSignalTLS{Insecure: new(true)}, Protocol: "grpc", Compression: "gzip"}, ""},
	} {
		c.cfg.Headers = map[string]config.Secret{"X-Key": config.NewSecret("key")}
		pushing(t, newShouter(settings(func(cfg *config.Config) {
			cfg.Tracing = config.Tracing{Enabled: true, SampleRate: 1, ExcludedURLs: []config.Pattern{pattern("livez$")}}
			cfg.OTLP.Traces, cfg.HTTP.Response.TraceID = c.cfg, true
			cfg.Logging.AccessLog.Format.TraceID, _ = config.ParseIDFormat("X")
			cfg.Logging.AccessLog.Format.SpanID, _ = config.ParseIDFormat("020d")
		})), func(h http.Handler) {
			header := postTo(h, "/shout", "{}").Header()
			if id := header.Get("X-BentoML-Trace-ID"); !regexp.MustCompile(`^[0-9A-F]{1,32}$`).MatchString(id) {
				t.Errorf("the id of the trace is %q", id)
			}
			if id := header.Get("X-BentoML-Request-ID"); !regexp.MustCompile(`^[0-9]{20}$`).MatchString(id) {
				t.Errorf("the id of the request is %q", id)
			}
			call(h, "GET", "/livez", "")
		})
		names, header := c.to.spans(), <-c.to.headers
		if !slices.Equal(names, []string{"POST /shout"}) || header.Get("X-Key") != "key" || header.Get("Authorization") != c.authorization {
			t.Errorf("%s: got %q with %v", c.cfg.Protocol, names, header)
		}
	}
}

// OpenTelemetry's variables say how spans are batched.
func TestSpansAreBatched(t *testing.T) {
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
	remote, url := collect(t, 0)
	h := handler(t, newShouter(settings(func(c *config.Config) {
		c.Tracing.Enabled, c.Tracing.SampleRate, c.OTLP.Traces.Endpoint = true, 1, url
	})))
	for range 3 {
		call(h, "POST", "/shout", "{}")
	}
	if n := len(spanNames(<-remote.traces)); n != 2 || len(remote.traces) != 0 {
		t.Errorf("%d spans came, then %d exports", n, len(remote.traces))
	}
}

// A reload changes the sample rate while requests run.
func TestSampleRateIsReloaded(t *testing.T) {
	remote, url := collect(t, 0)
	file := filepath.Join(t.TempDir(), "config.yaml")
	write := func(rate string) error {
		return os.WriteFile(file, []byte("tracing: {enabled: true, sample_rate: "+rate+"}\notlp: {traces: {endpoint: '"+url.Reveal()+"'}}\n"), 0o600)
	}
	check.Must(t, write("0"))
	app := newShouter(runtime.WithSource(config.Source{File: file}))
	pushing(t, app, func(h http.Handler) {
		call(h, "POST", "/shout", "{}")
		check.OK(t, errors.Join(write("1"), app.Reload()))
		call(h, "POST", "/shout", "{}")
	})
	if names := remote.spans(); len(names) != 1 {
		t.Errorf("got %q", names)
	}
}

// An invalid configuration of a push is an error of Run.
func TestPushIsRefused(t *testing.T) {
	tls := config.OTLPSignal{Endpoint: config.NewURL("https://x"), TLS: config.OTLPSignalTLS{CA: "none"}, Protocol: "grpc"}
	for name, set := range map[string]func(*config.Config){
		"traces":  func(c *config.Config) { c.Tracing.Enabled, c.OTLP.Traces = true, tls },
		"metrics": func(c *config.Config) { c.OTLP.Metrics = tls },
	} {
		err := newShouter(settings(set)).Check()
		if want := "otlp.tls.ca: open none: no such file or directory"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

// Errors of the files that the configuration names have the places of their keys: of
// a signal's own key, if that is given.
func TestErrorsOfFilesHavePlaces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.yaml")
	put(t, file, `ssl:
  enabled: true
  certfile: none1
  ca_certs: none2
otlp:
  endpoint: https://127.0.0.1:1
  tls: {ca: none3}
  metrics:
    enabled: true
    tls: {ca: none4}
  traces:
    enabled: true
`)
	source := config.Source{File: file, Set: []config.Setting{{Key: "ssl.keyfile", Value: "none5", From: "--set"}, {Key: "tracing.enabled", Value: "true", From: "--set"}}}
	err := newShouter(runtime.WithSource(source)).Check()
	want := strings.ReplaceAll(`F:3: ssl.certfile: open none1: no such file or directory
--set: ssl.keyfile: open none5: no such file or directory
F:4: ssl.ca_certs: open none2: no such file or directory
F:10: otlp.metrics.tls.ca: open none4: no such file or directory
F:7: otlp.tls.ca: open none3: no such file or directory`, "F:", file+":")
	if err == nil || err.Error() != want || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
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
				for late := time.Now().Add(patience); time.Now().Before(late); { // growth would not end
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
