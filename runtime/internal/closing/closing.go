// Package closing closes several things at once, within a time, and ends goroutines.
package closing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Closer is one thing to close. Its name begins the error.
type Closer struct {
	Name  string
	Close func(context.Context) error
}

// All runs all closers at once, for at most limit, and returns their errors.
func All(ctx context.Context, limit time.Duration, closers []Closer) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ended := make([]chan error, len(closers))
	for i, c := range closers {
		ended[i] = make(chan error, 1)
		go func() { ended[i] <- c.Close(ctx) }()
	}
	errs := make([]error, len(closers))
	for i, c := range closers {
		if err := await(ctx, ended[i], limit/4); err != nil {
			errs[i] = fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return errors.Join(errs...)
}

// await waits for a closer until a grace after the end of ctx, so that the closer
// has time to notice it. It does not wait longer for a closer that ignores ctx.
func await(ctx context.Context, ended <-chan error, grace time.Duration) error {
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(grace):
		return fmt.Errorf("given up: %w", ctx.Err())
	}
}

// Background runs functions, each in a goroutine. stop cancels their context and
// waits for them.
func Background(ctx context.Context, functions ...func(context.Context)) (stop func()) {
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
