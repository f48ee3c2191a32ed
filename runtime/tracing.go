package runtime

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
)

// trace builds the tracer provider that tracing asks for, unless one was given.
func (rt *Runtime) trace() error {
	cfg := rt.cfg().Tracing
	if !cfg.Enabled || rt.tracer != nil {
		return nil
	}
	rt.sampler = otlp.NewSampler(cfg.SampleRate)
	limits := sdktrace.NewSpanLimits()
	if cfg.MaxTagValueLength > 0 {
		limits.AttributeValueLengthLimit = cfg.MaxTagValueLength
	}
	res, err := rt.resource()
	if err != nil {
		return err
	}
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithSampler(sdktrace.ParentBased(rt.sampler)),
		sdktrace.WithRawSpanLimits(limits),
		sdktrace.WithResource(res),
	}
	if !cfg.OTLP.Endpoint.IsZero() {
		headers := map[string]string{}
		for name, value := range cfg.OTLP.Headers {
			headers[name] = value.Reveal()
		}
		exporter, err := otlp.NewTraceExporter(context.Background(), otlp.Config{
			Endpoint: cfg.OTLP.Endpoint.Reveal(), GRPC: cfg.OTLP.Protocol == "grpc", Gzip: cfg.OTLP.Compression == "gzip",
			Timeout: cfg.OTLP.Timeout, Headers: headers, CertificateFile: cfg.OTLP.CertificateFile, Insecure: cfg.OTLP.Insecure,
		})
		if err != nil {
			return fmt.Errorf("tracing.otlp.%w", err)
		}
		options = append(options, sdktrace.WithBatcher(exporter))
	}
	provider := sdktrace.NewTracerProvider(options...)
	rt.tracer = provider
	rt.atShutdown("traces", provider.Shutdown)
	return nil
}

// resource is what metrics and spans say of where they come from.
func (rt *Runtime) resource() (*resource.Resource, error) {
	res, err := resource.Merge(resource.Default(), resource.NewSchemaless(
		attribute.String("service.name", rt.app.name), attribute.String("service.version", rt.app.version)))
	if err != nil {
		return nil, fmt.Errorf("resource: %w", err)
	}
	return res, nil
}

// traced puts a span around every request that next observes, so that
// exemplars find it. otelhttp's own metrics are off: they would say what ours
// say, under other names, at twice the price.
func (rt *Runtime) traced(next http.Handler) http.Handler {
	if rt.tracer == nil {
		return next
	}
	return otelhttp.NewHandler(next, rt.entry.name,
		otelhttp.WithTracerProvider(rt.tracer),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})),
		otelhttp.WithFilter(rt.untraced()),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			return r.Method + " " + rt.routes.match(r.URL.Path).label
		}),
	)
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
		url := "http://" + r.Host + r.URL.Path
		return !slices.ContainsFunc(excluded, func(x *regexp.Regexp) bool { return x.MatchString(url) })
	}
}
