package otlp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // so that the server can decompress
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/internal/check"
)

// way is one of the six combinations of signal and protocol.
type way struct {
	signal   otlp.Signal
	protocol string
}

var ways = []way{
	{otlp.Metrics, otlp.ProtocolHTTP}, {otlp.Traces, otlp.ProtocolHTTP}, {otlp.Metrics, otlp.ProtocolGRPC}, {otlp.Traces, otlp.ProtocolGRPC},
	{otlp.Logs, otlp.ProtocolHTTP}, {otlp.Logs, otlp.ProtocolGRPC},
}

// everyWay runs a test for each way.
func everyWay(t *testing.T, test func(*testing.T, way)) {
	t.Helper()
	for _, w := range ways {
		t.Run(string(w.signal)+" "+w.protocol, func(t *testing.T) { test(t, w) })
	}
}

// path returns the path of the signal.
func (w way) path() string {
	switch {
	case w.protocol == otlp.ProtocolHTTP:
		return "/v1/" + string(w.signal)
	case w.signal == otlp.Logs:
		return "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
	case w.signal == otlp.Metrics:
		return "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
	}
	return "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
}

// send exports one item and returns its stats.
func (w way) send(t *testing.T, cfg otlp.Config) *otlp.Stats {
	t.Helper()
	cfg.Protocol = w.protocol
	settings := otlp.Settings{Config: cfg, Stats: &otlp.Stats{}}
	if w.signal == otlp.Traces {
		exporter := check.Value(otlp.NewTraceExporter(t.Context(), settings))(t)
		defer func() { _ = exporter.Shutdown(t.Context()) }()
		if err := exporter.ExportSpans(t.Context(), tracetest.SpanStubs{{Name: "span"}}.Snapshots()); err != nil {
			t.Errorf("the SDK would pass to its global handler: %v", err)
		}
		return settings.Stats
	}
	if w.signal == otlp.Logs {
		exporter := check.Value(otlp.NewLogExporter(t.Context(), settings))(t)
		defer func() { _ = exporter.Shutdown(t.Context()) }()
		check.OK(t, exporter.Export(t.Context(), make([]sdklog.Record, 1)))
		return settings.Stats
	}
	exporter := check.Value(otlp.NewMetricExporter(settings))(t)
	defer func() { _ = exporter.Shutdown(t.Context()) }()
	_ = exporter.Export(t.Context(), counter(1)) // counted
	return settings.Stats
}

// counter returns one metric with one data point.
func counter(value int64) *metricdata.ResourceMetrics {
	return &metricdata.ResourceMetrics{ScopeMetrics: []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{
		Name: "requests",
		Data: metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true, DataPoints: []metricdata.DataPoint[int64]{{Value: value}}},
	}}}}}
}

// failures returns the failures by reason, without zeros.
func failures(s *otlp.Stats) map[string]int64 {
	all := map[string]int64{}
	for _, reason := range otlp.Reasons() {
		if n := s.Failures(reason); n > 0 {
			all[reason.String()] = n
		}
	}
	return all
}

// answer is a response, in both protocols.
type answer struct {
	status int            // of HTTP
	code   *status.Status // of gRPC
	header http.Header    // of HTTP
	body   []byte
	hangs  bool
}

var (
	accept  = answer{status: 200, code: status.New(codes.OK, "")}
	later   = answer{status: 503, code: status.New(codes.Unavailable, "later")}
	refuse  = answer{status: 400, code: status.New(codes.InvalidArgument, "no such tenant")}
	hang    = answer{hangs: true, code: status.New(codes.DeadlineExceeded, "")}
	partial = answer{status: 200, code: status.New(codes.OK, ""), body: partialBody("too old")}
)

// partialBody is the same message for both signals.
func partialBody(message string) []byte {
	body, err := proto.Marshal(&collectorpb.ExportMetricsServiceResponse{
		PartialSuccess: &collectorpb.ExportMetricsPartialSuccess{RejectedDataPoints: 1, ErrorMessage: message},
	})
	if err != nil {
		panic(err)
	}
	return body
}

// received is a request that the collector got.
type received struct {
	path, encoding string
	headers        map[string]string // by lower-case name
	secure         bool
	client         string // the common name of the client's certificate
	body           []byte
}

// collector keeps requests, and sends its answers in turn. After the last one it
// accepts every request.
type collector struct {
	url string

	mu      sync.Mutex
	got     []received
	answers []answer
}

// collect starts a collector. secure is its TLS configuration; nil: no TLS.
func collect(t *testing.T, protocol string, secure *tls.Config, answers ...answer) *collector {
	t.Helper()
	c := &collector{answers: answers}
	scheme := "http://"
	if secure != nil {
		scheme = "https://"
	}
	if protocol == otlp.ProtocolHTTP {
		server := httptest.NewUnstartedServer(c)
		server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
		if server.TLS = secure; secure != nil {
			server.StartTLS()
		} else {
			server.Start()
		}
		t.Cleanup(server.Close)
		c.url = scheme + server.Listener.Addr().String()
		return c
	}
	var listen net.ListenConfig
	listener := check.Value(listen.Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	options := []grpc.ServerOption{grpc.UnknownServiceHandler(c.handle), grpc.ForceServerCodec(raw{}), grpc.WaitForHandlers(true)}
	if secure != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(secure)))
	}
	server := grpc.NewServer(options...)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	c.url = scheme + listener.Addr().String()
	return c
}

// take keeps a request and returns its response.
func (c *collector) take(ctx context.Context, r received, state *tls.ConnectionState) answer {
	if state != nil {
		r.secure = true
		for _, certificate := range state.PeerCertificates {
			r.client = certificate.Subject.CommonName
		}
	}
	next := accept
	c.mu.Lock()
	c.got = append(c.got, r)
	if len(c.answers) > 0 {
		next, c.answers = c.answers[0], c.answers[1:]
	}
	c.mu.Unlock()
	if next.hangs {
		<-ctx.Done()
	}
	return next
}

func (c *collector) requests() []received {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got := received{path: r.URL.Path, encoding: r.Header.Get("Content-Encoding"), headers: map[string]string{}}
	for name, values := range r.Header {
		got.headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	got.body, _ = io.ReadAll(r.Body)
	if got.encoding == "gzip" {
		unzip, err := gzip.NewReader(bytes.NewReader(got.body))
		if err == nil {
			got.body, _ = io.ReadAll(unzip)
		}
	}
	answer := c.take(r.Context(), got, r.TLS)
	if answer.hangs {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	for name, values := range answer.header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body)
}

// handle accepts requests of any gRPC method.
func (c *collector) handle(_ any, stream grpc.ServerStream) error {
	got := received{headers: map[string]string{}}
	got.path, _ = grpc.MethodFromServerStream(stream)
	given, _ := metadata.FromIncomingContext(stream.Context())
	for name, values := range given {
		got.headers[name] = strings.Join(values, ",")
	}
	if transport, ok := grpc.ServerTransportStreamFromContext(stream.Context()).(interface{ RecvCompress() string }); ok {
		got.encoding = transport.RecvCompress()
	}
	if err := stream.RecvMsg(&got.body); err != nil {
		return err
	}
	var state *tls.ConnectionState
	if p, ok := peer.FromContext(stream.Context()); ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			state = &info.State
		}
	}
	answer := c.take(stream.Context(), got, state)
	if answer.hangs || answer.code.Code() != codes.OK {
		return answer.code.Err()
	}
	return stream.SendMsg(answer.body)
}

// raw is a codec that leaves messages encoded.
type raw struct{}

func (raw) Name() string                  { return "proto" }
func (raw) Marshal(v any) ([]byte, error) { return v.([]byte), nil }
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(data)
	return nil
}
