package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// flushTimeout bounds each stage of Shutdown: a dead collector must not delay a
// restart.
const flushTimeout = 2 * time.Second

// Drain makes /readyz respond 503, and sends queued batches without waiting for
// more items. Requests are still served. Call it before you shut down your own
// server; [App.Serve] calls it itself.
func (a *App) Drain() {
	a.life.draining.Store(true)
	for _, svc := range a.services {
		for _, one := range svc.apis {
			if one.batch != nil {
				one.batch.queue.Drain()
			}
		}
	}
}

// Shutdown computes the queued batches, flushes metrics and spans, and closes both.
// Call it for an app that [App.Serve] does not serve. It has three stages, each of
// at most two seconds: the batches, the last push, the providers. A second call
// returns the result of the first.
func (a *App) Shutdown(ctx context.Context) error {
	a.life.mu.Lock() // Run may be about to prepare the app
	a.life.draining.Store(true)
	a.life.mu.Unlock()
	return a.close(ctx)
}

func (a *App) close(ctx context.Context) error {
	a.life.shutdown.Do(func() {
		a.life.draining.Store(true)
		stages := a.life.closers
		for _, svc := range a.services {
			for _, one := range svc.apis {
				if one.batch != nil {
					stages[closeBatches] = append(stages[closeBatches], closer{"batches of " + one.route, one.batch.queue.Close})
				}
			}
		}
		stages[closeProviders] = append(stages[closeProviders], closer{"metrics", a.telemetry.Shutdown})
		var errs []error
		for _, closers := range stages {
			errs = append(errs, closeAll(ctx, closers))
		}
		a.life.shutdownErr = errors.Join(errs...)
	})
	return a.life.shutdownErr
}

// closeAll runs all closers at once.
func closeAll(ctx context.Context, closers []closer) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	ended := make([]chan error, len(closers))
	for i, c := range closers {
		ended[i] = make(chan error, 1)
		go func() { ended[i] <- c.close(ctx) }()
	}
	errs := make([]error, len(closers))
	for i, c := range closers {
		if err := await(ctx, ended[i]); err != nil {
			errs[i] = fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return errors.Join(errs...)
}

// await waits for a closer until shortly after the end of ctx, so that the closer
// has time to notice it. It does not wait longer for a closer that ignores ctx.
func await(ctx context.Context, ended <-chan error) error {
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(flushTimeout / 4):
		return fmt.Errorf("given up: %w", ctx.Err())
	}
}
