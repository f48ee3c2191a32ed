package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/background"
	"github.com/ekiben-serving/ekiben/runtime/internal/conns"
	"github.com/ekiben-serving/ekiben/runtime/internal/listening"
)

// Run listens on the configured address, or takes the listener that systemd or
// [App.HandOver] gives to the process (LISTEN_FDS), starts the services (see [Service.OnStart]) and
// serves until ctx ends. Then it drains, see [App.Serve]. If the declarations or the
// configuration have errors, it returns all of them, joined, and does not listen. If ctx has
// ended before, it returns nil and does not listen. Give it a context that ends on SIGTERM,
// such as that of ekiben.UntilSignal.
func (a *App) Run(ctx context.Context) error {
	if ctx == nil {
		return errors.New("App.Run: the context must not be nil")
	}
	defer a.log.flush()
	if err := a.claim(); err != nil { // before Listen: a second Run must not shut down the first
		return err
	}
	if ctx.Err() != nil {
		return a.Shutdown(context.WithoutCancel(ctx))
	}
	if err := a.startTasks(ctx); err != nil {
		return errors.Join(err, a.Shutdown(context.WithoutCancel(ctx)))
	}
	listener, err := a.listenPublic(ctx)
	switch {
	case err == nil:
		err = a.serveUntil(ctx, listener)
		tellFailed(listener, err)
		return err
	case ctx.Err() != nil: // before the app could listen
		err = nil
	}
	return errors.Join(err, a.Shutdown(context.WithoutCancel(ctx)))
}

// Addr returns the address that the app listens on, or nil before it listens. With
// http.port 0, it has the port that the system chose. With http.socket, it is a
// *net.UnixAddr.
func (a *App) Addr() net.Addr {
	if listener := a.life.listener.Load(); listener != nil {
		return (*listener).Addr()
	}
	return nil
}

// ErrServed is the error of [App.Run], [App.Serve], [App.Handler] and [App.Check] for an
// app that was drained by [App.Drain], checked, or shut down. An app is served by Run or Serve
// only once: a second call of either returns ErrServed, and so does Check of an app that Run,
// Serve or Handler has begun to serve.
var ErrServed = errors.New("the app has been served, checked, drained by App.Drain or shut down already; make a new one with runtime.New")

// Serve serves on a listener until ctx ends. Then it drains, so that no request is
// lost:
//
//  1. /readyz responds 503, and every response has "Connection: close". All other
//     requests are served for shutdown.delay.
//  2. The listener is closed.
//  3. Serve waits up to shutdown.grace for connections with a request, and up to
//     shutdown.idle for idle connections, because their next request may be on its
//     way. It does not wait for a function that runs on after its 504.
//  4. The remaining connections are closed, and their requests are logged. Queued
//     batches are computed, the functions of [Service.OnStop] are called, and metrics and
//     spans are flushed.
//  5. The admin door is closed, if admin.enabled is true. Until then, it serves /metrics.
//
// Serve returns nil if no request was cut off, else an error. It closes the
// listener. An app can be served once; a second call returns an error.
func (a *App) Serve(ctx context.Context, listener net.Listener) error {
	if ctx == nil || listener == nil {
		return errors.New("App.Serve: the context and the listener must not be nil")
	}
	defer a.log.flush()
	if err := a.claim(); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := a.startTasks(ctx); err != nil {
		return errors.Join(err, listener.Close(), a.Shutdown(context.WithoutCancel(ctx)))
	}
	return a.serveUntil(ctx, listener)
}

func (a *App) serveUntil(ctx context.Context, listener net.Listener) error {
	if err := a.listenAdmin(ctx, listening.Succeeds(listener)); err != nil {
		return errors.Join(err, listener.Close(), a.Shutdown(context.WithoutCancel(ctx)))
	}
	a.pushes.Start()
	open := conns.Listen(a.known(listener), limitsOf(a.conf.Now().HTTP.Limits))
	a.open.Store(open)
	server := a.newPublicServer(open)
	a.life.listener.Store(&listener)
	served, started := make(chan error, 1), make(chan bool, 1)
	start := func() {
		succeeded := a.start(ctx) == nil // Shutdown returns the error
		if succeeded {
			a.beginTasks()
			a.announce(urlOf(listener.Addr(), a.secure != nil))
			tellReady(listener)
		}
		started <- succeeded
	}
	if a.hasStart() {
		a.life.startup.unready.Store(true) // before the first request
		go start()
	} else {
		start()
	}
	go func() {
		if a.secure != nil {
			served <- server.ServeTLS(open, "", "")
			return
		}
		served <- server.Serve(open)
	}()
	defer background.Start(context.WithoutCancel(ctx), open.Sweep, a.follow, a.followTLS, a.awaitAdmin)()
	for running := true; running; {
		select {
		case err := <-served:
			a.givenAway(listener)
			return errors.Join(fmt.Errorf("serving: %w", err), server.Close(), a.Shutdown(context.WithoutCancel(ctx)))
		case running = <-started:
		case <-ctx.Done():
			running = false
		}
	}
	err := a.drainServer(context.WithoutCancel(ctx), server, listener, open)
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) && !errors.Is(ended, net.ErrClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// claim seals the app and returns an error if it was served before.
func (a *App) claim() error {
	if err := a.seal(); err != nil {
		return err
	}
	return a.begin(&a.life.served)
}

// newPublicServer returns the server of the APIs.
func (a *App) newPublicServer(open *conns.Conns) *http.Server {
	server := a.newServer(http.HandlerFunc(a.serveOwn), open)
	if a.secure != nil {
		server.TLSConfig = a.secure.Config()
	}
	if cfg := a.conf.Now().HTTP; cfg.H2C || cfg.OpenInferenceGRPC {
		server.Protocols = new(http.Protocols)
		server.Protocols.SetHTTP1(true)
		server.Protocols.SetHTTP2(true)
		server.Protocols.SetUnencryptedHTTP2(true)
	}
	return server
}

func (a *App) drainServer(ctx context.Context, server *http.Server, listener net.Listener, open *conns.Conns) error {
	a.life.draining.Store(true)
	shutdown := a.conf.Now().Shutdown
	a.log.logger.Info("draining", "delay", shutdown.Delay.String(), "idle", shutdown.Idle.String(), "grace", shutdown.Grace.String())
	switch {
	case a.givenAway(listener):
	case !a.life.startup.unready.Load(): // else no load balancer has sent requests
		background.Sleep(ctx, shutdown.Delay)
	}
	err := ignoreClosed(listener.Close())
	a.Drain()
	graceEnds := time.Now().Add(shutdown.Grace)
	grace, cancelGrace := context.WithDeadline(ctx, graceEnds)
	defer cancelGrace()
	open.Wait(min(shutdown.Idle, shutdown.Grace))
	served, cancelServed := context.WithCancel(grace)
	defer cancelServed()
	// net/http would also wait for functions that run after their 504.
	go func() {
		open.WaitResponded(served)
		cancelServed()
	}()
	// Shutdown closes the listener again, which may return net.ErrClosed.
	if late := server.Shutdown(served); late != nil && !errors.Is(late, net.ErrClosed) {
		a.life.cutting.Store(true)
		left, unfinished := open.List(), open.Unfinished() // before Close, which empties the list
		err = errors.Join(err, server.Close())
		if unfinished > 0 {
			err = errors.Join(err, fmt.Errorf("shutdown.grace: connections with an unfinished request, cut off after %s: %d", shutdown.Grace, unfinished))
		}
		for _, one := range left {
			one.RecordCut()
		}
	}
	if cut := a.hijacked.Wait(grace); cut > 0 {
		err = errors.Join(err, fmt.Errorf("shutdown.grace: sockets and other connections that handlers had taken over, cut off after %s: %d", shutdown.Grace, cut))
	}
	a.waitForTasks(grace)
	if overdue := a.telemetry.Counts.Overdue.Load(); overdue > 0 {
		a.log.logger.Warn("functions still run after their 504; the app does not wait for them", "functions", overdue)
	}
	err = errors.Join(err, a.shutdown(context.WithoutCancel(ctx), time.Until(graceEnds))) // which closes the admin door after the last push
	a.log.logger.Info("stopped", a.cutTotals()...)
	a.stopLogs()
	return err
}
