// Package otlpgrpc sends OTLP over gRPC. A program that sets otlp.protocol: grpc
// must import it, for its side effect:
//
//	import _ "github.com/ekiben-serving/ekiben/exporters/otlp/grpc"
//
// Package ekiben has this import. For everything else, read package
// [github.com/ekiben-serving/ekiben/exporters/otlp].
package otlpgrpc

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
)

// defaultPort is OTLP's port for gRPC. It applies to an endpoint without a port.
const defaultPort = "4317"

func init() {
	otlp.Register(otlp.Protocol{Name: otlp.ProtocolGRPC, Endpoint: "http://localhost:" + defaultPort, Dial: dial})
}

// methods are the gRPC methods of the signals.
var methods = map[otlp.Signal]string{
	otlp.Metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
	otlp.Traces:  "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
	otlp.Logs:    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}

// transport sends the requests of one signal over one connection, which gRPC opens at
// the first call and opens again when it breaks.
type transport struct {
	conn    *grpc.ClientConn
	method  string
	headers metadata.MD
	secured *secured
}

// dial returns a transport without waiting for a connection. There is no retry policy
// of gRPC: package otlp retries, for all protocols in the same way.
func dial(target otlp.Target) (otlp.Transport, error) {
	method, ok := methods[target.Signal]
	if !ok {
		return nil, fmt.Errorf("gRPC has no method for the signal %q", target.Signal)
	}
	host, compressor := target.URL.Host, ""
	if target.URL.Port() == "" {
		host = net.JoinHostPort(target.URL.Hostname(), defaultPort)
	}
	if target.Gzip {
		compressor = gzip.Name
	}
	creds := insecure.NewCredentials()
	if target.TLS != nil {
		creds = credentials.NewTLS(target.TLS)
	}
	s := &secured{TransportCredentials: creds, last: &atomic.Pointer[failure]{}}
	conn, err := grpc.NewClient(host,
		grpc.WithTransportCredentials(s),
		grpc.WithUserAgent("ekiben-otlp"),
		grpc.WithStatsHandler(responses{}),
		grpc.WithDefaultCallOptions(grpc.UseCompressor(compressor), grpc.ForceCodec(encoded{})),
	)
	if err != nil {
		return nil, fmt.Errorf("otlp.endpoint: %w", err)
	}
	return &transport{conn: conn, method: method, headers: metadata.New(target.Headers), secured: s}, nil
}

func (t *transport) Close() error { return t.conn.Close() }

// Send implements [otlp.Transport].
func (t *transport) Send(ctx context.Context, request []byte) (otlp.Response, error) {
	var responded atomic.Bool
	ctx = context.WithValue(metadata.NewOutgoingContext(ctx, t.headers), respondedKey{}, &responded)
	var body []byte
	if err := t.conn.Invoke(ctx, t.method, request, &body); err != nil {
		return otlp.Response{}, classify(err, responded.Load(), t.secured.last.Load())
	}
	return otlp.Response{Body: body}, nil
}

// encoded is a codec for messages that are already encoded. Its name is that of the
// codec for protobuf, because the name is a part of the content type.
type encoded struct{}

func (encoded) Name() string { return "proto" }

func (encoded) Marshal(v any) ([]byte, error) {
	message, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("a message must be []byte, found %T", v)
	}
	return message, nil
}

func (encoded) Unmarshal(data []byte, v any) error {
	message, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("a message must be *[]byte, found %T", v)
	}
	*message = append([]byte(nil), data...) // gRPC may use data again
	return nil
}
