package telemetry

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/semconv/v1.41.0/rpcconv"
)

// rpcScope is the scope of the metrics of calls, and rpcFamily the name on /metrics.
const (
	rpcScope  = Scope + "/rpc"
	rpcFamily = "rpc_server_call_duration_seconds"
)

// RPC records calls over gRPC with the metric of OpenTelemetry's semantic conventions. A nil RPC
// records nothing.
type RPC struct {
	duration rpcconv.ServerCallDuration
	app      []attribute.KeyValue // labels of the app
}

func newRPC(provider metric.MeterProvider, app Identity) (*RPC, error) {
	duration, err := rpcconv.NewServerCallDuration(provider.Meter(rpcScope, metric.WithSchemaURL(semconv.SchemaURL)))
	return &RPC{duration, app.attributes()}, err
}

// serverErrors lists the codes that are errors of a server, as the conventions say.
var serverErrors = []string{"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}

// Record records a call that has ended with a code. There are few methods and codes.
func (r *RPC) Record(ctx context.Context, method, code string, took time.Duration) {
	if r == nil {
		return
	}
	attributes := append([]attribute.KeyValue{r.duration.AttrMethod(method), r.duration.AttrResponseStatusCode(code)}, r.app...)
	if slices.Contains(serverErrors, code) {
		attributes = append(attributes, r.duration.AttrErrorType(rpcconv.ErrorTypeAttr(code)))
	}
	r.duration.Record(ctx, took.Seconds(), rpcconv.SystemNameGRPC, attributes...)
}
