package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

// Echo is the input and the output of both sides.
type Echo struct {
	Text string `json:"text"`
}

// serve serves one side on a free port, and prints its address.
func serve(ctx context.Context, side, variant string) error {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	switch side {
	case "bare":
		return serveBare(ctx, listener, variant, http.HandlerFunc(echo))
	case "floor":
		return serveBare(ctx, listener, variant, floor())
	}
	return serveEkiben(ctx, listener, side == "slow", variant)
}

func echo(w http.ResponseWriter, r *http.Request) {
	var in Echo
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(in); err != nil {
		return // the client hung up
	}
}

// serveBare serves a handler with net/http alone.
func serveBare(ctx context.Context, listener net.Listener, variant string, h http.Handler) error {
	mux := http.NewServeMux()
	mux.Handle("POST /echo", h)
	server := &http.Server{Handler: around(variant, mux)}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return server.Serve(listener)
}

// floor is echo with the headers of BentoML and the duration of each request, recorded
// with labels that are made once.
func floor() http.Handler {
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	durations, _ := provider.Meter("floor").Float64Histogram("duration", metric.WithExplicitBucketBoundaries(views.DefaultDurationBoundaries()...)) // the name is legal
	labels := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
		attribute.String("endpoint", "/echo"), attribute.String("http_response_code", "200"),
		attribute.String("runner_name", "Echo"), attribute.String("service_name", "Echo"), attribute.String("service_version", "1")))}
	server := []string{"BentoML Service/Echo"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		w.Header()["Server"] = server
		w.Header()["X-Bentoml-Request-Id"] = []string{"0123456789abcdef"}
		echo(w, r)
		durations.Record(r.Context(), time.Since(start).Seconds(), labels...)
	})
}

// serveEkiben serves with the default configuration, without the access log. measured: each request
// is one that may be slow.
func serveEkiben(ctx context.Context, listener net.Listener, measured bool, variant string) error {
	cfg := config.Default()
	cfg.Logging.AccessLog.Enabled = false
	cfg.Traffic.MaxConcurrency = 1024
	if measured {
		cfg.Slow.Objective = time.Minute
	}
	cfg.Tracing.Enabled, cfg.Tracing.SampleRate = variant == "tracing", 0
	app := runtime.New("Echo", runtime.WithConfig(cfg), runtime.WithLogger(slog.New(slog.DiscardHandler)))
	runtime.Handle(app, "echo", func(_ context.Context, in Echo) (Echo, error) { return in, nil })
	if variant == "middleware" {
		app.Use(wrap)
	}
	return app.Serve(ctx, listener)
}

// around adds a variant to the bare handler.
func around(variant string, h http.Handler) http.Handler {
	switch variant {
	case "middleware":
		return wrap(h)
	case "tracing":
		none := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
		return otelhttp.NewHandler(h, "Echo", otelhttp.WithTracerProvider(none), otelhttp.WithMeterProvider(noop.NewMeterProvider()))
	}
	return h
}

// wrap is middleware that wraps the writer, as an access log would.
func wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(&wrapped{ResponseWriter: w}, r) })
}

type wrapped struct {
	http.ResponseWriter

	status int
}

// WriteHeader records the status.
func (w *wrapped) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
