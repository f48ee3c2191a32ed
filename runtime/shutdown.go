package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/closing"
)

// flushTimeout bounds each stage of Shutdown: a dead collector must not delay a
// restart.
const flushTimeout = 2 * time.Second

// stopPatience is how long what ignores the end of its context is waited for, as
// [closing.All] does.
const stopPatience = flushTimeout / 4

// Drain makes /readyz respond 503, ends a start that still runs, and sends queued batches
// without waiting for more items. Requests are still served. Call it before you shut down
// your own server; [App.Serve] calls it itself. After it, [App.Run], [App.Serve] and
// [App.Handler] return an error.
func (a *App) Drain() {
	a.life.draining.Store(true)
	a.life.startup.forbid()
	a.hijacked.Drain()
	for _, svc := range a.services {
		for _, one := range svc.apis {
			if one.batch != nil {
				one.batch.queue.Drain()
			}
		}
	}
	if engine := a.tasks.Load(); engine != nil {
		engine.Drain()
	}
}

// Shutdown ends sockets and tasks, computes the queued batches, calls the functions of
// [Service.OnStop], and pushes the last metrics, spans and log lines. Call it for an app that
// [App.Serve] does not serve. The context of a task that runs ends at once, and the task is
// given back. There are six stages, in this order: sockets, tasks, batches, the last push, the
// admin door, and the providers of metrics and spans. The context of a stage ends after two
// seconds, and half a second later Shutdown does not wait for the stage any longer.
//
// A start that still runs is ended first. Half a second after the end of ctx, Shutdown does
// not wait for it any longer, stops the services that have started, and returns an error.
//
// A second call waits for the end of the first, whatever its own ctx, and returns the same
// result. Afterwards /readyz and /metrics respond 503, batchable APIs too; other APIs still
// respond, but nothing is measured.
func (a *App) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return errors.New("App.Shutdown: the context must not be nil")
	}
	defer a.log.flush()
	defer a.stopLogs()
	return a.shutdown(ctx, a.conf.Now().Shutdown.Grace)
}

// CutOff cuts off the requests that have no response yet, as the end of shutdown.grace
// does: it closes their connections, counts them, and writes a line of the access log for each.
// Then it logs how many they were. Call it before the process ends without [App.Shutdown], for
// example after a second signal. It waits for the log, at most for a second.
func (a *App) CutOff() {
	defer a.log.flush()
	open := a.open.Load()
	if open == nil {
		return
	}
	a.life.cutting.Store(true)
	unfinished := open.Unfinished()
	for _, one := range open.List() {
		_ = one.Close() // a write to a client that does not read holds the lock of its request
		one.RecordCut()
	}
	a.log.logger.Warn("the process ends at once", append(a.cutTotals(), "unfinished", unfinished)...)
}

// cutTotals returns the counts of requests that were cut off, for a log line: nobody can scrape a
// process that has ended.
func (a *App) cutTotals() []any {
	counts := &a.telemetry.Counts
	return []any{"cut_none", counts.CutNone.Load(), "cut_part", counts.CutPart.Load()}
}

// shutdown is [App.Shutdown] with the time that all OnStop functions have together.
func (a *App) shutdown(ctx context.Context, stopping time.Duration) error {
	a.life.sealMu.Lock() // Run may be about to prepare the app
	a.life.mu.Lock()
	a.life.draining.Store(true)
	a.life.mu.Unlock()
	a.life.sealMu.Unlock()
	return a.close(ctx, stopping)
}

// closeSockets ends the connections that handlers have taken over, on the user's own server.
func (a *App) closeSockets(ctx context.Context) error {
	a.hijacked.Drain()
	if cut := a.hijacked.Wait(ctx); cut > 0 {
		return fmt.Errorf("sockets and other connections that handlers had taken over, cut off: %d", cut)
	}
	return nil
}

func (a *App) close(ctx context.Context, stopping time.Duration) error {
	a.life.shutdown.Do(func() {
		a.life.draining.Store(true)
		var errs []error
		if ended := a.life.startup.forbid(); ended != nil {
			errs = append(errs, a.life.startup.wait(ctx, ended))
		}
		stages := a.life.closers
		stages[closeSockets] = append(stages[closeSockets], closing.Closer{Name: "sockets", Close: a.closeSockets})
		for _, svc := range a.services {
			for _, one := range svc.apis {
				if one.batch != nil {
					stages[closeBatches] = append(stages[closeBatches], closing.Closer{Name: "batches of " + one.route, Close: one.batch.queue.Close})
				}
			}
		}
		if engine := a.tasks.Load(); engine != nil {
			stages[closeTasks] = append(stages[closeTasks], closing.Closer{Name: "tasks", Close: engine.Stop})
		}
		a.slow.Close()
		stages[closeProviders] = append(stages[closeProviders], closing.Closer{Name: "metrics", Close: a.telemetry.Shutdown})
		for when, closers := range stages {
			if stage(when) == closePushes { // after the batches
				a.life.startup.finished.Store(true)
				errs = append(errs, a.stopServices(ctx, stopping))
			}
			errs = append(errs, closing.All(ctx, flushTimeout, closers))
		}
		a.life.shutdownErr = errors.Join(errs...)
		if !a.pushes.LogsBegun() {
			a.stopLogs() // there is no later line to wait for
		}
	})
	return a.life.shutdownErr
}

// stage is a step of Shutdown. All closers of a stage run at once, so that a slow
// one does not delay the others.
type stage int

// The stages, in order: sockets end, tasks end, which may call batchable APIs, queued items
// are computed, the last metrics and spans are pushed, the admin door is closed, whose /metrics
// needs the providers, and the providers are closed.
const (
	closeSockets stage = iota
	closeTasks
	closeBatches
	closePushes
	closeAdmin
	closeProviders
	stages
)

// atShutdown makes Shutdown call close in a stage.
func (a *App) atShutdown(when stage, name string, close func(context.Context) error) {
	a.life.closers[when] = append(a.life.closers[when], closing.Closer{Name: name, Close: close})
}

// ignoreClosed returns the error of closing a listener, or nil if it was closed before.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
