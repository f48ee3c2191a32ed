package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Run listens where the configuration says and serves until ctx ends, then
// drains: see [Runtime.Serve]. Give it a context that ends on SIGTERM:
//
//	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//
// A port that is taken is an error that says so.
func (rt *Runtime) Run(ctx context.Context) error {
	address := net.JoinHostPort(rt.cfg.HTTP.Host, strconv.Itoa(rt.cfg.HTTP.Port))
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("http.port: %s is taken by another program (Grafana's default is 3000 too); choose another port, or 0 for a free one: %w", address, err)
	}
	if err != nil {
		return fmt.Errorf("http.host, http.port: cannot listen on %s: %w", address, err)
	}
	return rt.Serve(ctx, listener)
}

// Serve serves on a listener until ctx ends, and then drains so that no request
// is lost:
//
//  1. /readyz says 503. For shutdown.delay everything else goes on.
//  2. The listener is closed, and every answer carries "Connection: close".
//  3. Connections are waited for: those with a request up to shutdown.grace,
//     keep-alive connections without one up to shutdown.idle, because a
//     request may be on its way on them.
//  4. What is left is closed; the metrics are flushed.
//
// It returns nil after a drain that lost nothing, and an error if requests had
// to be cut off. Serve may be called once.
func (rt *Runtime) Serve(ctx context.Context, listener net.Listener) error {
	open := newConnections(listener)
	server := &http.Server{
		Handler:     rt.own(),
		ConnState:   open.state,
		ConnContext: open.context,
		ErrorLog:    slog.NewLogLogger(rt.logger.Handler(), slog.LevelWarn),
	}
	rt.logger.Info("serving", "app", rt.app.name, "version", rt.app.version,
		"address", browsable(listener.Addr()), "exposes", strings.Join(rt.exposed(), ", "))
	served := make(chan error, 1)
	go func() { served <- server.Serve(open) }()
	sweeping, stopSweeping := context.WithCancel(context.WithoutCancel(ctx))
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		open.sweep(sweeping)
	}()
	defer func() {
		stopSweeping()
		<-swept
	}()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("serving: %w", err), rt.Shutdown(context.WithoutCancel(ctx)))
	case <-ctx.Done():
	}
	err := rt.drain(context.WithoutCancel(ctx), server, listener, open)
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) && !errors.Is(ended, net.ErrClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// browsable is an address that a person can open: one that stands for every
// interface is shown as localhost.
func browsable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func (rt *Runtime) drain(ctx context.Context, server *http.Server, listener net.Listener, open *connections) error {
	rt.draining.Store(true)
	rt.logger.Info("draining", "delay", rt.cfg.Shutdown.Delay, "idle", rt.cfg.Shutdown.Idle, "grace", rt.cfg.Shutdown.Grace)
	sleep(ctx, rt.cfg.Shutdown.Delay)
	err := listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	ctx, cancel := context.WithTimeout(ctx, rt.cfg.Shutdown.Grace)
	defer cancel()
	open.wait(min(rt.cfg.Shutdown.Idle, rt.cfg.Shutdown.Grace))
	// Shutdown closes the listener too, and may complain that it is closed.
	if late := server.Shutdown(ctx); late != nil && !errors.Is(late, net.ErrClosed) {
		err = errors.Join(err, fmt.Errorf("shutdown.grace: %d connections still had a request after %s and were cut off",
			open.open.Load(), rt.cfg.Shutdown.Grace), server.Close())
	}
	err = errors.Join(err, rt.Shutdown(context.WithoutCancel(ctx)))
	rt.logger.Info("stopped")
	return err
}

// flushTimeout bounds the last push of metrics: a dead collector must not hold
// up a restart.
const flushTimeout = 2 * time.Second

// Shutdown flushes and closes the metrics of a runtime that is not served by
// [Runtime.Serve]. It takes 2 seconds at most.
func (rt *Runtime) Shutdown(ctx context.Context) error {
	rt.draining.Store(true)
	if rt.shutdown == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := rt.shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
