package runtime

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/ekiben-serving/ekiben/batcher"
)

// failedCall is a call in process and its error, for the log.
type failedCall struct {
	api *api
	err error
}

// called returns the API whose call in process failed last with err; nil: none. Errors
// that cannot be compared are none: errors.Is would panic.
func (c *functionContext) called(err error) *api {
	c.mu.Lock()
	failed := c.failed
	c.mu.Unlock()
	if failed == nil {
		return nil
	}
	var found *api
	for _, one := range slices.Backward(*failed) {
		switch {
		case reflect.ValueOf(one.err).Comparable() && errors.Is(err, one.err):
			found = one.api // go on: it may have returned the error of a call of its own, which failed before
		case found != nil:
			return found
		}
	}
	return found
}

// mostCalls is how many failed calls a request remembers, beside the last one.
const mostCalls = 10

// remember tells the requests behind a call in process of its error.
func (a *api) remember(ctx context.Context, err error) {
	if some, ok := err.(batcher.Errors); ok { //nolint:errorlint // as Do returns it
		for _, one := range some.Unwrap() {
			a.remember(ctx, one)
		}
	} else if err != nil {
		for _, from := range append([]context.Context{ctx}, batcher.RequestContexts(ctx)...) {
			if c, ok := from.Value(callKey{}).(*call); ok {
				c.ctx.mu.Lock()
				var before []failedCall
				if c.ctx.failed != nil {
					before = *c.ctx.failed
				}
				all := append(slices.Clone(before[max(0, len(before)-mostCalls):]), failedCall{a, err}) // called may read before
				c.ctx.failed = &all
				c.ctx.mu.Unlock()
			}
		}
	}
}
