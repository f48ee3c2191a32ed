package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Echo is what both sides take and give back.
type Echo struct {
	Text string `json:"text"`
}

// serve runs one side on a free port, which it prints.
func serve(ctx context.Context, side string) error {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	if side == "bare" {
		return serveBare(ctx, listener)
	}
	return serveEkiben(ctx, listener)
}

// serveBare is what a Go engineer writes without a framework.
func serveBare(ctx context.Context, listener net.Listener) error {
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
	server := &http.Server{Handler: mux}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return server.Serve(listener)
}

// serveEkiben is the default configuration but for the access log.
func serveEkiben(ctx context.Context, listener net.Listener) error {
	cfg := config.Default()
	cfg.Logging.AccessLog.Enabled = false
	cfg.Traffic.MaxConcurrency = 1024
	app := runtime.New("Echo", runtime.WithConfig(cfg), runtime.WithLogger(slog.New(slog.DiscardHandler)))
	runtime.Handle(app, "echo", func(_ context.Context, in Echo) (Echo, error) { return in, nil })
	return app.Serve(ctx, listener)
}
