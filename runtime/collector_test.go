package runtime_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	logsv1 "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// collector is an OTLP collector that keeps the received data.
type collector struct {
	tracev1.UnimplementedTraceServiceServer
	status  int // of its responses; 0: 200
	metrics chan *metricsv1.ExportMetricsServiceRequest
	traces  chan *tracev1.ExportTraceServiceRequest
	logs    chan *logsv1.ExportLogsServiceRequest
	headers chan http.Header
}

// collect starts an HTTP collector that stops at the end of the test.
func collect(t *testing.T, status int) (*collector, config.URL) {
	t.Helper()
	c := &collector{
		status: status, metrics: make(chan *metricsv1.ExportMetricsServiceRequest, 1000), traces: make(chan *tracev1.ExportTraceServiceRequest, 1000),
		logs: make(chan *logsv1.ExportLogsServiceRequest, 1000), headers: make(chan http.Header, 1000),
	}
	remote := httptest.NewServer(c)
	t.Cleanup(remote.Close)
	return c, config.NewURL(remote.URL)
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var metrics metricsv1.ExportMetricsServiceRequest
	var traces tracev1.ExportTraceServiceRequest
	var logs logsv1.ExportLogsServiceRequest
	switch {
	case r.URL.Path == "/v1/metrics" && proto.Unmarshal(body, &metrics) == nil:
		c.metrics <- &metrics
	case r.URL.Path == "/v1/traces" && proto.Unmarshal(body, &traces) == nil:
		c.traces <- &traces
	case r.URL.Path == "/v1/logs" && proto.Unmarshal(body, &logs) == nil:
		c.logs <- &logs
	case err == nil:
		w.WriteHeader(http.StatusTeapot)
		return
	}
	c.headers <- r.Header
	if c.status != 0 {
		w.WriteHeader(c.status)
	}
}

// Export receives spans by gRPC.
func (c *collector) Export(ctx context.Context, r *tracev1.ExportTraceServiceRequest) (*tracev1.ExportTraceServiceResponse, error) {
	c.traces <- r
	md, _ := metadata.FromIncomingContext(ctx)
	headers := http.Header{}
	for name, values := range md {
		headers[http.CanonicalHeaderKey(name)] = values
	}
	c.headers <- headers
	return &tracev1.ExportTraceServiceResponse{}, nil
}

// spans returns the names of the spans received so far.
func (c *collector) spans() (names []string) {
	for len(c.traces) > 0 {
		names = append(names, spanNames(<-c.traces)...)
	}
	return names
}

func spanNames(r *tracev1.ExportTraceServiceRequest) (names []string) {
	for _, resource := range r.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				names = append(names, span.GetName())
			}
		}
	}
	return names
}

// pushing serves without a socket and shuts down, which pushes the remaining data.
func pushing(t *testing.T, app *runtime.App, drive func(http.Handler)) {
	t.Helper()
	h := check.Value(app.Handler())(t)
	drive(h)
	check.OK(t, app.Shutdown(t.Context()))
}

// logged is a log that sends each line that contains part to a channel.
type logged struct {
	part  string
	lines chan string
}

func (l *logged) Write(p []byte) (int, error) {
	if strings.Contains(string(p), l.part) {
		l.lines <- string(p)
	}
	return len(p), nil
}

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
