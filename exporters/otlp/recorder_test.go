package otlp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracespb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // what is sent compressed can be read
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
)

// way is one of the four ways in which something can be sent.
type way struct {
	signal string // metrics or traces
	grpc   bool
}

func (w way) String() string {
	if w.grpc {
		return w.signal + " over gRPC"
	}
	return w.signal + " over HTTP"
}

// path is where a collector finds the signal.
func (w way) path() string {
	switch {
	case w.grpc && w.signal == "metrics":
		return "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
	case w.grpc:
		return "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	}
	return "/v1/" + w.signal
}

// everyWay runs a test for each way of sending.
func everyWay(t *testing.T, test func(*testing.T, way)) {
	t.Helper()
	for _, w := range []way{{"metrics", false}, {"metrics", true}, {"traces", false}, {"traces", true}} {
		t.Run(w.String(), func(t *testing.T) { test(t, w) })
	}
}

// send sends once, and returns what became of it.
func (w way) send(t *testing.T, cfg otlp.Config) *otlp.Stats {
	t.Helper()
	cfg.GRPC = w.grpc
	sent := &otlp.Stats{}
	if w.signal == "traces" {
		exporter, err := otlp.NewTraceExporter(t.Context(), cfg, sent, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = exporter.ExportSpans(t.Context(), tracetest.SpanStubs{{Name: "span"}}.Snapshots()) // counted
		_ = exporter.Shutdown(t.Context())
		return sent
	}
	exporter, err := otlp.NewMetricExporter(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	reader := sdkmetric.NewManualReader()
	counter, err := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test").Int64Counter("requests")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1)
	_ = otlp.NewPusher(reader, exporter, sent, otlp.PushConfig{Interval: time.Hour, Flush: time.Minute}).Shutdown(t.Context()) // counted
	return sent
}

// failures are those of a signal, by reason.
func failures(s *otlp.Stats) map[string]int64 {
	all := map[string]int64{}
	for _, why := range otlp.Reasons() {
		if n := s.Failures(why); n > 0 {
			all[why.String()] = n
		}
	}
	return all
}

// request is what a collector saw of one that it got.
type request struct {
	path     string
	headers  map[string]string // by lower-case name
	encoding string
	secure   bool
	client   string // the certificate's name
	at       time.Time
}

// recorder is a collector of both signals that keeps what requests look like.
type recorder struct {
	metricspb.UnimplementedMetricsServiceServer

	way way
	url string // where it is, without path

	mu    sync.Mutex
	got   []request
	says  []int // statuses of the next answers, by HTTP; after them, 200
	delay time.Duration
}

// record starts a collector, with TLS if secure is given.
func record(t *testing.T, w way, secure *tls.Config) *recorder {
	t.Helper()
	r := &recorder{way: w}
	scheme := "http://"
	if secure != nil {
		scheme = "https://"
	}
	if !w.grpc {
		server := httptest.NewUnstartedServer(r)
		server.Config.ErrorLog = nobody
		if server.TLS = secure; secure != nil {
			server.StartTLS()
		} else {
			server.Start()
		}
		t.Cleanup(server.Close)
		r.url = scheme + server.Listener.Addr().String()
		return r
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options := []grpc.ServerOption{grpc.StatsHandler(r), grpc.WaitForHandlers(true)}
	if secure != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(secure)))
	}
	server := grpc.NewServer(options...)
	metricspb.RegisterMetricsServiceServer(server, r)
	tracespb.RegisterTraceServiceServer(server, spanRecorder{recorder: r})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	r.url = scheme + listener.Addr().String()
	return r
}

// answer keeps a request and returns the status to answer it with.
func (r *recorder) answer(ctx context.Context, q request, state *tls.ConnectionState) int {
	q.at = time.Now()
	if state != nil {
		q.secure = true
		for _, c := range state.PeerCertificates {
			q.client = c.Subject.CommonName
		}
	}
	r.mu.Lock()
	r.got = append(r.got, q)
	says := http.StatusOK
	if len(r.says) > 0 {
		says, r.says = r.says[0], r.says[1:]
	}
	r.mu.Unlock()
	select {
	case <-time.After(r.delay):
	case <-ctx.Done():
		time.Sleep(min(r.delay, 500*time.Millisecond)) // the caller's own clock is a little behind: an answer now would be in time
	}
	return says
}

func (r *recorder) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	headers := map[string]string{}
	for name, values := range q.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	w.WriteHeader(r.answer(q.Context(), request{path: q.URL.Path, headers: headers, encoding: q.Header.Get("Content-Encoding")}, q.TLS))
}

// Export takes metrics over gRPC.
func (r *recorder) Export(ctx context.Context, _ *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	return &metricspb.ExportMetricsServiceResponse{}, r.overGRPC(ctx)
}

type spanRecorder struct {
	tracespb.UnimplementedTraceServiceServer

	recorder *recorder
}

func (s spanRecorder) Export(ctx context.Context, _ *tracespb.ExportTraceServiceRequest) (*tracespb.ExportTraceServiceResponse, error) {
	return &tracespb.ExportTraceServiceResponse{}, s.recorder.overGRPC(ctx)
}

func (r *recorder) overGRPC(ctx context.Context) error {
	q := request{headers: map[string]string{}}
	given, _ := metadata.FromIncomingContext(ctx)
	for name, values := range given {
		q.headers[name] = strings.Join(values, ",")
	}
	if in, ok := ctx.Value(arrived{}).(*stats.InHeader); ok {
		q.path, q.encoding = in.FullMethod, in.Compression
	}
	var state *tls.ConnectionState
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			state = &info.State
		}
	}
	return status.Error(map[int]codes.Code{200: codes.OK, 400: codes.InvalidArgument, 503: codes.Unavailable}[r.answer(ctx, q, state)], "as told")
}

// arrived is the context's key of what gRPC does not tell handlers.
type arrived struct{}

func (r *recorder) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, arrived{}, &stats.InHeader{})
}

func (r *recorder) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if in, ok := s.(*stats.InHeader); ok {
		*ctx.Value(arrived{}).(*stats.InHeader) = *in
	}
}

func (r *recorder) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (r *recorder) HandleConn(context.Context, stats.ConnStats) {}

// authority issues certificates for this machine.
type authority struct {
	file string
	pool *x509.CertPool
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.file, _, a.cert, a.key = issue(t, template, nil)
	a.pool.AddCert(a.cert)
	return a
}

// issues makes a certificate and its key, as files.
func (a *authority) issues(t *testing.T, name string) (cert, key string) {
	t.Helper()
	cert, key, _, _ = issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a)
	return cert, key
}

// serves is the TLS of a collector. With clients, they must show a certificate
// of the same authority.
func (a *authority) serves(t *testing.T, clients tls.ClientAuthType) *tls.Config {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(a.issues(t, "collector"))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: a.pool, ClientAuth: clients, MinVersion: tls.VersionTLS12}
}

// issue signs template; without an authority by itself.
func issue(t *testing.T, template *x509.Certificate, by *authority) (certFile, keyFile string, cert *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, data []byte) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", private), cert, key
}
