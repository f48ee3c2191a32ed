package batcher

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// invoke calls the function. It returns an error for a panic, and for a wrong
// number of results.
func (b *Batcher[In, Out]) invoke(ctx context.Context, items []In) (out []Out, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	out, err = b.fn(ctx, items)
	var errs Errors
	if errors.As(err, &errs) && errs.none() && (len(errs) == 0 || len(errs) == len(items)) {
		err = nil // even if errs is wrapped in another error
	}
	switch {
	case err == nil:
		if len(out) != len(items) {
			return nil, fmt.Errorf("the batch function returned %d results for %d items", len(out), len(items))
		}
	case errs != nil:
		if out == nil && errs.all() {
			out = make([]Out, len(items))
		}
		if len(errs) != len(items) || len(out) != len(items) {
			// %s, not %w, so that single does not find errs.
			return nil, fmt.Errorf("the batch function returned %d results and %d errors for %d items: %s", len(out), len(errs), len(items), err.Error())
		}
	}
	return out, err
}

// single returns the Errors in err, or nil.
func single(err error) (errs Errors) {
	if err != nil {
		errors.As(err, &errs)
	}
	return errs
}
