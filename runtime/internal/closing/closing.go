// Package closing closes several things at once, within a time.
package closing

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Closer is one thing to close. Its name begins the error.
type Closer struct {
	Name  string
	Close func(context.Context) error
}

// All runs all closers at once and returns their errors. Their context ends after limit.
// A quarter of limit later, it no longer waits for those that ignore it.
func All(ctx context.Context, limit time.Duration, closers []Closer) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ended := make([]chan error, len(closers))
	for i, c := range closers {
		ended[i] = make(chan error, 1)
		go func() { ended[i] <- c.Close(ctx) }()
	}
	// The grace begins when ctx ends, so that the closers have time to notice it. It is
	// one for all.
	over, stop := context.WithCancel(context.Background())
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(limit/4, stop) })()
	errs := make([]error, len(closers))
	for i, c := range closers {
		if err := await(ctx, over, ended[i]); err != nil {
			errs[i] = fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return errors.Join(errs...)
}

// await waits for a closer. It gives up when over ends, some time after ctx.
func await(ctx, over context.Context, ended <-chan error) error {
	select {
	case err := <-ended:
		return err
	case <-over.Done():
		select {
		case err := <-ended: // it ended in time, while another one was waited for
			return err
		default:
		}
		return fmt.Errorf("given up: %w", ctx.Err())
	}
}
