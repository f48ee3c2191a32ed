package otlp_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a collector that keeps the last value of the counter it is sent, and
// misbehaves when it is told to.
type sink struct {
	collector.UnimplementedMetricsServiceServer

	mu      sync.Mutex
	fault   string
	value   int64
	pushes  int
	headers http.Header
	release chan struct{}
	conns   []net.Conn // of gRPC
}

// accepting is a listener whose connections the sink can reset.
type accepting struct {
	net.Listener

	sink *sink
}

func (a accepting) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	a.sink.mu.Lock()
	defer a.sink.mu.Unlock()
	a.sink.conns = append(a.sink.conns, conn)
	return conn, nil
}

func (s *sink) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.conns {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
	s.conns = nil
}

func (s *sink) set(fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

func (s *sink) seen() (value int64, pushes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value, s.pushes
}

func (s *sink) take(request *collector.ExportMetricsServiceRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushes++
	for _, rm := range request.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				if sum := m.GetSum(); sum != nil {
					s.add(sum)
				}
			}
		}
	}
}

func (s *sink) add(sum *metricpb.Sum) {
	if sum.GetAggregationTemporality() == metricpb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE {
		s.value = 0
	}
	for _, point := range sum.GetDataPoints() {
		s.value += point.GetAsInt()
	}
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fault := s.fault
	s.headers = r.Header
	s.mu.Unlock()
	switch fault {
	case "black hole":
		<-s.release
		return
	case "503":
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case "400":
		http.Error(w, "no such tenant", http.StatusBadRequest)
		return
	case "slow":
		time.Sleep(50 * time.Millisecond)
	case "reset":
		connection, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = connection.(*net.TCPConn).SetLinger(0)
			_ = connection.Close()
		}
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	data, err := io.ReadAll(body)
	var request collector.ExportMetricsServiceRequest
	if err != nil || proto.Unmarshal(data, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.take(&request)
	var response collector.ExportMetricsServiceResponse
	if fault == "partial" {
		response.PartialSuccess = &collector.ExportMetricsPartialSuccess{RejectedDataPoints: 1, ErrorMessage: "too old"}
	}
	data, _ = proto.Marshal(&response)
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(data)
}

// Export is the collector's method over gRPC.
func (s *sink) Export(_ context.Context, request *collector.ExportMetricsServiceRequest) (*collector.ExportMetricsServiceResponse, error) {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	switch fault {
	case "black hole":
		<-s.release
		return nil, status.Error(codes.Aborted, "")
	case "slow":
		time.Sleep(50 * time.Millisecond)
	case "503":
		return nil, status.Error(codes.Unavailable, "later")
	case "400":
		return nil, status.Error(codes.InvalidArgument, "no such tenant")
	case "reset":
		s.reset()
		return nil, status.Error(codes.Aborted, "")
	}
	s.take(request)
	response := &collector.ExportMetricsServiceResponse{}
	if fault == "partial" {
		response.PartialSuccess = &collector.ExportMetricsPartialSuccess{RejectedDataPoints: 1, ErrorMessage: "too old"}
	}
	return response, nil
}

// serve starts a collector and returns it with its address.
func serve(t *testing.T, overGRPC bool) (*sink, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, overGRPC, listener), "http://" + listener.Addr().String()
}

func serveOn(t *testing.T, overGRPC bool, listener net.Listener) *sink {
	t.Helper()
	s := &sink{release: make(chan struct{})}
	if overGRPC {
		server := grpc.NewServer()
		collector.RegisterMetricsServiceServer(server, s)
		go func() { _ = server.Serve(accepting{listener, s}) }()
		t.Cleanup(server.Stop)
	} else {
		server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}}
		server.Start()
		t.Cleanup(server.Close)
	}
	t.Cleanup(func() { close(s.release) })
	return s
}

// pushing pushes one counter, every few milliseconds.
func pushing(t *testing.T, cfg otlp.Config, reader sdkmetric.Reader) (metric.Int64Counter, *otlp.Stats, *otlp.Pusher) {
	t.Helper()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	counter, err := provider.Meter("test").Int64Counter("requests")
	if err != nil {
		t.Fatal(err)
	}
	to, err := otlp.NewMetricExporter(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	stats := &otlp.Stats{}
	p := otlp.NewPusher(reader, to, stats, otlp.PushConfig{Interval: 5 * time.Millisecond, Timeout: cfg.Timeout, Flush: 300 * time.Millisecond})
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	return counter, stats, p
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 2000 {
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s did not come to hold", what)
}

// Whatever a collector does, the next push that succeeds is exact, and what it
// did is counted by its reason.
func TestFaults(t *testing.T) {
	for _, overGRPC := range []bool{false, true} {
		for fault, why := range map[string]otlp.Reason{
			"black hole": otlp.Timeout, "503": otlp.Unavailable, "400": otlp.Rejected, "reset": otlp.Unreachable, "partial": otlp.Partial,
		} {
			t.Run(fmt.Sprintf("%s, gRPC %t", fault, overGRPC), func(t *testing.T) {
				remote, address := serve(t, overGRPC)
				cfg := otlp.Config{Endpoint: address, GRPC: overGRPC, Gzip: true, Timeout: 200 * time.Millisecond,
					Retry: otlp.Retry{Initial: 10 * time.Millisecond, Max: 20 * time.Millisecond}}
				counter, stats, _ := pushing(t, cfg, sdkmetric.NewManualReader())
				counter.Add(t.Context(), 3)
				eventually(t, "the first push", func() bool { value, _ := remote.seen(); return value == 3 })
				remote.set(fault)
				counter.Add(t.Context(), 4)
				eventually(t, "the failure", func() bool { return stats.Failures(why) > 0 })
				remote.set("")
				counter.Add(t.Context(), 5)
				eventually(t, "the next push", func() bool { value, _ := remote.seen(); return value == 12 })
				if stats.Exported() == 0 || time.Since(stats.LastSuccess()) > time.Minute {
					t.Errorf("exported %d, last at %s", stats.Exported(), stats.LastSuccess())
				}
				for _, other := range otlp.Reasons() {
					if n := stats.Failures(other); other != why && n > 0 && fault != "503" && fault != "reset" { // whose last try may end in the timeout
						t.Errorf("%d failures are %s", n, other)
					}
				}
			})
		}
	}
}

// A collector that is slow, but not too slow, is one that works: pushes wait for
// each other, and none is lost.
func TestSlow(t *testing.T) {
	for _, overGRPC := range []bool{false, true} {
		remote, address := serve(t, overGRPC)
		remote.set("slow")
		counter, stats, _ := pushing(t, otlp.Config{Endpoint: address, GRPC: overGRPC, Timeout: 30 * time.Second}, sdkmetric.NewManualReader())
		for i := range 5 {
			counter.Add(t.Context(), 1)
			eventually(t, "the push", func() bool { value, _ := remote.seen(); return value == int64(i+1) })
		}
		for _, why := range otlp.Reasons() {
			if n := stats.Failures(why); n > 0 {
				t.Errorf("%d failures are %s", n, why)
			}
		}
	}
}

// A collector that is not there is counted, and found when it comes.
func TestRefused(t *testing.T) {
	for _, overGRPC := range []bool{false, true} {
		t.Run(fmt.Sprintf("gRPC %t", overGRPC), func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := listener.Addr().String()
			_ = listener.Close()
			cfg := otlp.Config{Endpoint: "http://" + address, GRPC: overGRPC, Timeout: 100 * time.Millisecond, Retry: otlp.Retry{Off: true}}
			counter, stats, _ := pushing(t, cfg, sdkmetric.NewManualReader())
			counter.Add(t.Context(), 7)
			eventually(t, "the failure", func() bool { return stats.Failures(otlp.Unreachable) > 0 })
			if listener, err = net.Listen("tcp", address); err != nil {
				t.Skipf("somebody took the port: %v", err)
			}
			s := serveOn(t, overGRPC, listener)
			eventually(t, "a push", func() bool { value, _ := s.seen(); return value == 7 })
		})
	}
}

// What stands before a collector and does not speak gRPC can say later too.
func TestGateway(t *testing.T) {
	gateway := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no endpoints", http.StatusServiceUnavailable)
	}))
	gateway.Config.Protocols = &http.Protocols{}
	gateway.Config.Protocols.SetUnencryptedHTTP2(true)
	gateway.Start()
	defer gateway.Close()
	for _, w := range []way{{"metrics", true}, {"traces", true}} {
		sent := w.send(t, otlp.Config{Endpoint: gateway.URL, Retry: otlp.Retry{Off: true}})
		if sent.Failures(otlp.Unavailable) != 1 {
			t.Errorf("%s: %v", w, failures(sent))
		}
	}
}

// Deltas add up.
func TestDelta(t *testing.T) {
	remote, address := serve(t, false)
	reader := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(sdkmetric.DeltaTemporalitySelector))
	counter, _, p := pushing(t, otlp.Config{Endpoint: address}, reader)
	for range 10 {
		counter.Add(t.Context(), 2)
		time.Sleep(10 * time.Millisecond)
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if value, pushes := remote.seen(); value != 20 || pushes < 2 {
		t.Errorf("got %d in %d pushes", value, pushes)
	}
}

// The last push is made at shutdown, and a collector that does not answer does
// not hold it up.
func TestShutdown(t *testing.T) {
	remote, address := serve(t, false)
	provider := sdkmetric.NewManualReader()
	counter, _, p := pushing(t, otlp.Config{Endpoint: address}, provider)
	eventually(t, "a push", func() bool { _, pushes := remote.seen(); return pushes > 0 })
	counter.Add(t.Context(), 9)
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if value, _ := remote.seen(); value != 9 {
		t.Errorf("the last push says %d", value)
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}

	remote, address = serve(t, false)
	_, _, p = pushing(t, otlp.Config{Endpoint: address, Timeout: time.Hour}, sdkmetric.NewManualReader())
	remote.set("black hole")
	at := time.Now()
	if err := p.Shutdown(t.Context()); err == nil || !strings.Contains(err.Error(), "the last push of metrics failed") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(at); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// Endpoints are taken as OpenTelemetry's specification has them.
func TestEndpoints(t *testing.T) {
	var mu sync.Mutex
	var path, user string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		name, password, _ := r.BasicAuth()
		path, user = r.URL.Path, name+":"+password+" "+r.Header.Get("X-Tenant")
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for _, c := range []struct {
		cfg  otlp.Config
		path string
	}{
		{otlp.Config{Endpoint: server.URL}, "/v1/metrics"},
		{otlp.Config{Endpoint: server.URL + "/"}, "/v1/metrics"},
		{otlp.Config{Endpoint: server.URL + "/otlp/mine"}, "/otlp/mine"},
		{otlp.Config{Endpoint: server.URL + "/otlp/", Base: true}, "/otlp/v1/metrics"},
		{otlp.Config{Endpoint: host, TLS: otlp.TLS{Insecure: true}}, "/v1/metrics"},
		{otlp.Config{Endpoint: "http://user:pass@" + host, Headers: map[string]string{"X-Tenant": "a"}}, "/v1/metrics"},
	} {
		_, stats, p := pushing(t, c.cfg, sdkmetric.NewManualReader())
		eventually(t, "a push", func() bool { return stats.Exported() > 0 || !stats.LastSuccess().IsZero() })
		_ = p.Shutdown(t.Context())
		mu.Lock()
		if path != c.path {
			t.Errorf("%+v: pushed to %s", c.cfg, path)
		}
		mu.Unlock()
	}
	if user != "user:pass a" {
		t.Errorf("the headers say %q", user)
	}
	for want, cfg := range map[string]otlp.Config{
		"endpoint: must be a URL":   {Endpoint: "http://a b"},
		"a URL of http or https":    {Endpoint: "htps://collector:4318"},
		"tls.ca: open nowhere":      {TLS: otlp.TLS{CA: "nowhere"}},
		"tls.cert, tls.key: open x": {TLS: otlp.TLS{Cert: "x", Key: "y"}},
		"holds no certificate":      {TLS: otlp.TLS{CA: "push_test.go"}},
	} {
		if _, err := otlp.NewMetricExporter(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := otlp.NewTraceExporter(t.Context(), cfg, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
