package runtime

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
)

// trace builds the tracer provider that tracing asks for, unless one was given.
func (rt *Runtime) trace() error {
	cfg := rt.cfg().Tracing
	if !cfg.Enabled || rt.tracer != nil {
		return nil
	}
	rt.sampler = otlp.NewSampler(cfg.SampleRate)
	var sampler sdktrace.Sampler = rt.sampler
	if cfg.ParentBased {
		sampler = sdktrace.ParentBased(rt.sampler)
	}
	limits := sdktrace.NewSpanLimits()
	if cfg.MaxTagValueLength > 0 {
		limits.AttributeValueLengthLimit = cfg.MaxTagValueLength
	}
	res, err := rt.resource()
	if err != nil {
		return err
	}
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithSampler(sampler),
		sdktrace.WithRawSpanLimits(limits),
		sdktrace.WithResource(res),
	}
	life, end := context.WithCancel(context.Background())
	if push := rt.Config().PushTraces(); push.Enabled {
		rt.pushes.traces = &otlp.Stats{}
		exporter, err := otlp.NewTraceExporter(life, otlp.Settings{Config: rt.sender(push), Stats: rt.pushes.traces, Logger: rt.logger})
		if err != nil {
			end()
			return err
		}
		options = append(options, sdktrace.WithBatcher(exporter, sdktrace.WithExportTimeout(push.Timeout)))
	}
	provider := sdktrace.NewTracerProvider(options...)
	rt.tracer = provider
	rt.atShutdown(closePushes, "traces", func(ctx context.Context) error {
		defer end()
		if err := provider.Shutdown(ctx); err != nil {
			rt.logger.Warn("the last spans could not be pushed", "error", err)
		}
		return nil // no request is lost by it
	})
	return nil
}

// traced puts a span around every request that next observes, so that
// exemplars find it. otelhttp's own metrics are off: they would say what ours
// say, under other names, at twice the price.
func (rt *Runtime) traced(next http.Handler) http.Handler {
	if rt.tracer == nil {
		return next
	}
	trust := rt.cfg().Tracing.TrustIncoming
	spans := otelhttp.NewHandler(next, rt.entry.name,
		otelhttp.WithTracerProvider(rt.tracer),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()),
		otelhttp.WithPropagators(propagator(rt.cfg().Tracing.Propagators)),
		otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return !trust }),
		otelhttp.WithFilter(rt.untraced()),
		otelhttp.WithSpanNameFormatter(spanName),
	)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(r.Context()) // the caller's keeps the pattern of the caller's mux
		r.Pattern = ""
		if label := rt.routes.match(r.URL.Path).label; label != unmatched {
			r.Pattern = rt.routes.prefix + label
		}
		spans.ServeHTTP(w, r)
	})
}

// spanError says on a request's span that the server failed, by the status, as
// the conventions ask and [httpSeries] does. otelhttp says it on no server's.
func spanError(ctx context.Context, status int) {
	if status >= http.StatusInternalServerError {
		trace.SpanFromContext(ctx).SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
	}
}

// spanName is that of OpenTelemetry's conventions: the method and the route, the
// method alone for a path without one, and HTTP for a method that is none.
func spanName(_ string, r *http.Request) string {
	method := r.Method
	if !slices.Contains(httpMethods[1:], method) {
		method = "HTTP"
	}
	if r.Pattern == "" {
		return method
	}
	return method + " " + r.Pattern
}

// propagator is how trace context comes in. Where several say different things
// the last one counts.
func propagator(names []string) propagation.TextMapPropagator {
	known := map[string]propagation.TextMapPropagator{
		"tracecontext": propagation.TraceContext{},
		"baggage":      propagation.Baggage{},
		"b3":           b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)),
		"b3multi":      b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)),
	}
	var all []propagation.TextMapPropagator
	for _, name := range names {
		all = append(all, known[name]) // validated
	}
	return propagation.NewCompositeTextMapPropagator(all...)
}

// untraced makes the filter of tracing.excluded_urls: true is a request that
// gets a span. An expression may match anywhere in the URL, as in BentoML.
func (rt *Runtime) untraced() otelhttp.Filter {
	var excluded []*regexp.Regexp
	for _, expression := range rt.cfg().Tracing.ExcludedURLs {
		excluded = append(excluded, regexp.MustCompile(expression)) // validated
	}
	return func(r *http.Request) bool {
		if len(excluded) == 0 {
			return true
		}
		url := schemeOf(r) + "://" + r.Host + r.URL.Path
		return !slices.ContainsFunc(excluded, func(x *regexp.Regexp) bool { return x.MatchString(url) })
	}
}
