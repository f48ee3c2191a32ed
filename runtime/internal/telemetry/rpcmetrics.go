package telemetry

import (
	"context"
	"slices"
	"sync"
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

	mu     sync.RWMutex
	series map[rpcForm][]metric.RecordOption // there are few methods and codes
}

// rpcForm has the parts of a call that its attributes are made from.
type rpcForm struct{ method, code string }

func newRPC(provider metric.MeterProvider, app Identity) (*RPC, error) {
	duration, err := rpcconv.NewServerCallDuration(provider.Meter(rpcScope, metric.WithSchemaURL(semconv.SchemaURL)))
	return &RPC{duration: duration, app: app.attributes(), series: map[rpcForm][]metric.RecordOption{}}, err
}

// serverErrors lists the codes that are errors of a server, as the conventions say.
var serverErrors = []string{"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}

// Record records a call that has ended with a code.
func (r *RPC) Record(ctx context.Context, method, code string, took time.Duration) {
	if r == nil {
		return
	}
	form := rpcForm{method, code}
	r.mu.RLock()
	options, known := r.series[form]
	r.mu.RUnlock()
	if !known {
		attributes := append([]attribute.KeyValue{semconv.RPCSystemNameGRPC, semconv.RPCMethod(method), semconv.RPCResponseStatusCode(code)}, r.app...)
		if slices.Contains(serverErrors, code) {
			attributes = append(attributes, semconv.ErrorTypeKey.String(code))
		}
		options = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attributes...))}
		r.mu.Lock()
		r.series[form] = options
		r.mu.Unlock()
	}
	r.duration.Inst().Record(ctx, took.Seconds(), options...)
}
