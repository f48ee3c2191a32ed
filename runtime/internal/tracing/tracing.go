// Package tracing makes the spans of requests, calls and batches. It does not depend
// on services.
package tracing

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strconv"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// Tracing makes the spans of an app. A nil Tracing makes none.
type Tracing struct {
	provider   trace.TracerProvider
	propagator propagation.TextMapPropagator
	cfg        config.Tracing
	sampler    *otlp.Sampler // nil: the user built the provider
	own        *sdktrace.TracerProvider
}

// New builds a TracerProvider. It drops spans until Send is called.
func New(cfg config.Tracing, res *resource.Resource) *Tracing {
	sampler := otlp.NewSampler(cfg.SampleRate)
	var decide sdktrace.Sampler = sampler
	if cfg.ParentBased {
		decide = sdktrace.ParentBased(sampler)
	}
	limits := sdktrace.NewSpanLimits()
	if cfg.MaxTagValueLength > 0 {
		limits.AttributeValueLengthLimit = cfg.MaxTagValueLength
	}
	own := sdktrace.NewTracerProvider(sdktrace.WithSampler(decide), sdktrace.WithRawSpanLimits(limits), sdktrace.WithResource(res))
	t := With(own, cfg)
	t.own, t.sampler = own, sampler
	return t
}

// With uses a provider that the user builds and closes.
func With(provider trace.TracerProvider, cfg config.Tracing) *Tracing {
	return &Tracing{provider: provider, propagator: propagator(cfg.Propagators), cfg: cfg}
}

// Send exports the spans of New's provider in batches.
func (t *Tracing) Send(exporter sdktrace.SpanExporter, opts ...sdktrace.BatchSpanProcessorOption) {
	t.own.RegisterSpanProcessor(sdktrace.NewBatchSpanProcessor(exporter, opts...))
}

// SetRatio changes the share of new traces that are sampled, if New built the
// provider.
func (t *Tracing) SetRatio(ratio float64) {
	if t != nil && t.sampler != nil {
		t.sampler.SetRatio(ratio)
	}
}

// Shutdown sends the remaining spans and closes a provider that New built.
func (t *Tracing) Shutdown(ctx context.Context) error {
	if t == nil || t.own == nil {
		return nil
	}
	return t.own.Shutdown(ctx)
}

// Server returns a handler that makes a span for every request of next. r.Pattern
// must have the route; "" means no route. The metrics of otelhttp are off, because
// the runtime records the same values.
func (t *Tracing) Server(name string, next http.Handler) http.Handler {
	excluded := t.cfg.ExcludedURLs
	return otelhttp.NewHandler(next, name,
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()),
		otelhttp.WithPropagators(t.propagator),
		otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return !t.cfg.TrustIncoming }),
		otelhttp.WithFilter(func(r *http.Request) bool { return len(excluded) == 0 || !matchesURL(excluded, r) }),
		otelhttp.WithSpanNameFormatter(spanName),
	)
}

// SetServerError marks the span of a request as failed if the status is a server error,
// as OpenTelemetry's conventions require. otelhttp sets no error.type, and sees only the
// status that was sent.
func SetServerError(ctx context.Context, status int) {
	if status >= http.StatusInternalServerError {
		SetError(ctx, strconv.Itoa(status))
	}
}

// SetClient sets the address of a request's client. otelhttp takes the first one that
// X-Forwarded-For has, which a client can choose.
func SetClient(ctx context.Context, address string) {
	if host, _, err := net.SplitHostPort(address); err == nil {
		trace.SpanFromContext(ctx).SetAttributes(semconv.ClientAddress(host))
	}
}

// SetError marks the span of a request or call as failed. kind becomes error.type.
func SetError(ctx context.Context, kind string) {
	span := trace.SpanFromContext(ctx)
	span.SetStatus(codes.Error, "")
	span.SetAttributes(semconv.ErrorTypeKey.String(kind))
}

// spanName follows OpenTelemetry's conventions: method and route, the method
// alone without a route, HTTP for an unknown method.
func spanName(_ string, r *http.Request) string {
	method := r.Method
	if !telemetry.KnownMethod(method) {
		method = "HTTP"
	}
	if r.Pattern == "" {
		return method
	}
	return method + " " + r.Pattern
}

// matchesURL reports whether an expression matches any part of the URL, as in
// BentoML.
func matchesURL(excluded []config.Pattern, r *http.Request) bool {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	url := scheme + "://" + r.Host + r.URL.Path
	return slices.ContainsFunc(excluded, func(p config.Pattern) bool { return p.Match(url) })
}

// propagator returns a propagator for trace context in these formats. If an incoming
// request has several that differ, the last one is used.
func propagator(names []string) propagation.TextMapPropagator {
	known := map[string]propagation.TextMapPropagator{
		"tracecontext": tracestates{propagation.TraceContext{}},
		"baggage":      propagation.Baggage{},
		"b3":           b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)),
		"b3multi":      b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)),
	}
	var all []propagation.TextMapPropagator
	for _, name := range names {
		all = append(all, known[name]) // the names were validated
	}
	return propagation.NewCompositeTextMapPropagator(all...)
}

// Call starts the span of a call in process, named service/method like an RPC. end
// ends it. Its status is the one that the metrics have for the call.
func (t *Tracing) Call(ctx context.Context, service, method string) (_ context.Context, end func(status int, err error)) {
	if t == nil {
		return ctx, func(int, error) {}
	}
	ctx, span := t.provider.Tracer(telemetry.Scope).Start(ctx, service+"/"+method) //nolint:spancheck // end ends it
	return ctx, func(status int, err error) {                                      //nolint:spancheck // as above
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
			span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
			span.RecordError(err)
		}
		span.End()
	}
}
