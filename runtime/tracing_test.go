package runtime_test

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// spans is a collector that keeps what it is sent, by HTTP or gRPC.
type spans struct {
	collector.UnimplementedTraceServiceServer
	mu      sync.Mutex
	got     []*tracepb.Span
	headers http.Header
}

func (s *spans) Export(ctx context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		s.headers = http.Header{}
		for key, values := range md {
			s.headers.Set(key, values[0])
		}
	}
	for _, resource := range r.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			s.got = append(s.got, scope.GetSpans()...)
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.headers = r.Header
	s.mu.Unlock()
	_, _ = s.Export(context.Background(), &request)
}

// trace serves with tracing to a collector, does requests, and returns the
// spans' names.
func (s *spans) trace(t *testing.T, cfg config.OTLPSignal, requests func(*server)) []string {
	t.Helper()
	cfg.Headers = map[string]config.Secret{"X-Key": config.NewSecret("key")}
	t.Run("served", func(t *testing.T) {
		requests(serve(t, newEcho(), settings(func(c *config.Config) {
			c.Tracing = config.Tracing{Enabled: true, SampleRate: 1, ExcludedURLs: []config.Pattern{pattern("livez$")}, MaxTagValueLength: 100}
			c.OTLP.Traces = cfg
			c.HTTP.Response.TraceID = true
			c.Logging.AccessLog.Format.TraceID, _ = config.ParseIDFormat("X")
			c.Logging.AccessLog.Format.SpanID, _ = config.ParseIDFormat("020d")
		})))
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, span := range s.got {
		names = append(names, span.GetName())
	}
	return names
}

func TestTracingIsConfigured(t *testing.T) {
	requests := func(s *server) {
		got := s.do("POST", "/echo", `{"text":"x"}`)
		if id := got.header.Get("X-BentoML-Trace-ID"); !regexp.MustCompile(`^[0-9A-F]{1,32}$`).MatchString(id) {
			t.Errorf("the trace's id is %q", id)
		}
		if id := got.header.Get("X-BentoML-Request-ID"); !regexp.MustCompile(`^[0-9]{20}$`).MatchString(id) {
			t.Errorf("the request's id is %q", id)
		}
		s.do("GET", "/livez", "")
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:pass"))

	var byHTTP spans
	server := httptest.NewServer(&byHTTP)
	defer server.Close()
	endpoint := strings.Replace(server.URL, "http://", "http://user:pass@", 1)
	names := byHTTP.trace(t, config.OTLPSignal{Endpoint: config.NewURL(endpoint), Protocol: "http/protobuf", Compression: "none"}, requests)
	if len(names) != 1 || names[0] != "POST /echo" || byHTTP.headers.Get("X-Key") != "key" || byHTTP.headers.Get("Authorization") != basic {
		t.Errorf("got %q with %v", names, byHTTP.headers)
	}

	var byGRPC spans
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	remote := grpc.NewServer()
	collector.RegisterTraceServiceServer(remote, &byGRPC)
	go func() { _ = remote.Serve(listener) }()
	defer remote.Stop()
	names = byGRPC.trace(t, config.OTLPSignal{Endpoint: config.NewURL(listener.Addr().String()), TLS: config.OTLPSignalTLS{Insecure: new(true)}, Protocol: "grpc", Compression: "gzip"}, requests)
	if len(names) != 1 || names[0] != "POST /echo" || byGRPC.headers.Get("X-Key") != "key" {
		t.Errorf("got %q with %v", names, byGRPC.headers)
	}
}

// The sample rate changes while requests run.
func TestSamplingIsReloaded(t *testing.T) {
	var kept spans
	remote := httptest.NewServer(&kept)
	defer remote.Close()
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := "tracing: {enabled: true, sample_rate: 0}\notlp: {traces: {endpoint: '" + remote.URL + "'}}\nlogging: {access: {enabled: false}}\n"
	put(t, file, text)
	t.Run("served", func(t *testing.T) {
		s, rt, _ := serveFile(t, file)
		s.post("/echo", `{"text":"unseen"}`)
		put(t, file, strings.Replace(text, "sample_rate: 0", "sample_rate: 1", 1))
		eventually(t, "the rate", func() bool { return rt.Config().Tracing.SampleRate == 1 })
		s.post("/echo", `{"text":"seen"}`)
	})
	if len(kept.got) != 1 {
		t.Errorf("%d spans were kept", len(kept.got))
	}
}

// How spans are batched is for OpenTelemetry's variables to say.
func TestSpansAreBatchedAsTheVariablesSay(t *testing.T) {
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
	var kept spans
	remote := httptest.NewServer(&kept)
	defer remote.Close()
	s := serve(t, newEcho(), settings(func(c *config.Config) {
		c.Tracing.Enabled, c.Tracing.SampleRate = true, 1
		c.OTLP.Traces.Endpoint = config.NewURL(remote.URL)
	}))
	for range 3 {
		s.post("/echo", `{"text":"x"}`)
	}
	arrived := func() int {
		kept.mu.Lock()
		defer kept.mu.Unlock()
		return len(kept.got)
	}
	eventually(t, "a batch", func() bool { return arrived() > 0 })
	if n := arrived(); n != 2 {
		t.Errorf("%d spans came", n)
	}
}

func TestTracingIsRefused(t *testing.T) {
	_, err := runtime.New(newEcho(), runtime.WithLogger(quiet()), settings(func(c *config.Config) {
		c.Tracing.Enabled = true
		c.OTLP.Traces = config.OTLPSignal{Endpoint: config.NewURL("https://x"), TLS: config.OTLPSignalTLS{CA: "none"}, Protocol: "grpc"}
	}))
	if err == nil || err.Error() != "otlp.tls.ca: open none: no such file or directory" {
		t.Errorf("got %v", err)
	}
}
