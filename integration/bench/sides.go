package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
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
	if side == "bare" {
		return serveBare(ctx, listener, variant)
	}
	return serveEkiben(ctx, listener, variant)
}

// serveBare serves with net/http alone.
func serveBare(ctx context.Context, listener net.Listener, variant string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		var in Echo
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(in)
	})
	server := &http.Server{Handler: around(variant, mux)}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return server.Serve(listener)
}

// serveEkiben serves with the default configuration, without the access log.
func serveEkiben(ctx context.Context, listener net.Listener, variant string) error {
	cfg := config.Default()
	cfg.Logging.AccessLog.Enabled = false
	cfg.Traffic.MaxConcurrency = 1024
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
