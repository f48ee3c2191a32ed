package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Run builds a runtime for entry and runs it: [New] and [Runtime.Run] in one,
// for a program that does nothing in between.
func Run(ctx context.Context, entry *Service, opts ...Option) error {
	rt, err := New(entry, opts...)
	if err != nil {
		return err
	}
	return rt.Run(ctx)
}

// Run listens where the configuration says and serves until ctx ends, then
// drains: see [Runtime.Serve]. Give it a context that ends on SIGTERM:
//
//	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//
// A port that is taken is an error that says so.
func (rt *Runtime) Run(ctx context.Context) error {
	address := net.JoinHostPort(rt.cfg().HTTP.Host, strconv.Itoa(rt.cfg().HTTP.Port))
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("http.port: %s is taken by another program (Grafana's default is 3000 too); %s: %w", address, rt.anotherPort(), err)
	}
	if err != nil {
		return fmt.Errorf("http.host, http.port: cannot listen on %s: %w", address, err)
	}
	return rt.Serve(ctx, listener)
}

// anotherPort says how this program is given another port, or 0.
func (rt *Runtime) anotherPort() string {
	switch {
	case rt.source == nil:
		return "this program reads no configuration: set another with runtime.WithConfig, or let it read one with runtime.WithSource(config.FromEnvironment())"
	case rt.source.Environ == nil:
		return "set another, or 0 for a free one"
	default:
		return "set another, EKIBEN_HTTP__PORT=3001, or 0 for a free one"
	}
}

// Serve serves on a listener until ctx ends, and then drains so that no request
// is lost:
//
//  1. /readyz says 503. For shutdown.delay everything else goes on.
//  2. The listener is closed, and every answer carries "Connection: close".
//  3. Connections are waited for: those with a request up to shutdown.grace,
//     keep-alive connections without one up to shutdown.idle, because a
//     request may be on its way on them.
//  4. What is left is closed, and logged so; the metrics are flushed.
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
		TLSConfig:   rt.secured,
	}
	rt.announce(browsable(listener.Addr(), rt.secured != nil))
	served := make(chan error, 1)
	go func() {
		if rt.secured != nil {
			served <- server.ServeTLS(open, "", "")
			return
		}
		served <- server.Serve(open)
	}()
	defer background(context.WithoutCancel(ctx), open.sweep, rt.follow)()
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

// background runs functions until the one it returns is called, which waits for
// them.
func background(ctx context.Context, functions ...func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, f := range functions {
		running.Go(func() { f(ctx) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// browsable is an address that a person can open: one that stands for every
// interface is shown as localhost.
func browsable(addr net.Addr, secure bool) string {
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + net.JoinHostPort(host, port)
}

func (rt *Runtime) drain(ctx context.Context, server *http.Server, listener net.Listener, open *connections) error {
	rt.draining.Store(true)
	shutdown := rt.cfg().Shutdown
	rt.logger.Info("draining", "delay", shutdown.Delay.String(), "idle", shutdown.Idle.String(), "grace", shutdown.Grace.String())
	sleep(ctx, shutdown.Delay)
	err := listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	rt.hurry()
	ctx, cancel := context.WithTimeout(ctx, shutdown.Grace)
	defer cancel()
	open.wait(min(shutdown.Idle, shutdown.Grace))
	// Shutdown closes the listener too, and may complain that it is closed.
	if late := server.Shutdown(ctx); late != nil && !errors.Is(late, net.ErrClosed) {
		rt.cutting.Store(true)
		left := open.list() // now: what is closed leaves it, whatever its handlers do
		err = errors.Join(err, fmt.Errorf("shutdown.grace: %d connections still had a request after %s and were cut off",
			open.open.Load(), shutdown.Grace), server.Close())
		for _, one := range left {
			one.open.logCut()
		}
	}
	err = errors.Join(err, rt.Shutdown(context.WithoutCancel(ctx)))
	rt.logger.Info("stopped")
	return err
}

// hurry has no batch wait for more requests.
func (rt *Runtime) hurry() {
	for _, svc := range rt.services {
		for _, a := range svc.apis {
			if a.queue != nil {
				a.queue.Drain()
			}
		}
	}
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
