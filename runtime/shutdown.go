package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// flushTimeout bounds each stage of Shutdown: a dead collector must not hold up
// a restart.
const flushTimeout = 2 * time.Second

// stage is when something is closed that the runtime started. What a stage
// closes it closes at once: none of it can take the time of the others.
type stage int

// The stages, in their order: what is still computed is recorded and spanned,
// what was recorded is sent, and then nothing is recorded any more.
const (
	closeBatches stage = iota
	closePushes
	closeProviders
	stages
)

// closer ends something that the runtime started.
type closer struct {
	name  string
	close func(context.Context) error
}

// atShutdown has close called by Shutdown.
func (rt *Runtime) atShutdown(when stage, name string, close func(context.Context) error) {
	rt.closers[when] = append(rt.closers[when], closer{name, close})
}

// Shutdown answers what is queued in batches, flushes metrics and spans, and
// closes both, of a runtime that is not served by [Runtime.Serve]. A batch
// function that does not end is given up after two seconds, and a collector that
// does not answer after two more. Calling it again returns what it returned.
func (rt *Runtime) Shutdown(ctx context.Context) error {
	rt.shutdown.Do(func() {
		rt.draining.Store(true)
		var errs []error
		for _, closers := range rt.closers {
			errs = append(errs, closeAll(ctx, closers))
		}
		rt.shutdown.err = errors.Join(errs...)
	})
	return rt.shutdown.err
}

// ending is the one time that a runtime ends, and what came of it.
type ending struct {
	sync.Once
	err error
}

// closeAll closes all at once.
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

// await waits for one that closes, a little past the end of ctx, which it may
// need to notice; what does not heed ctx at all is given up.
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
