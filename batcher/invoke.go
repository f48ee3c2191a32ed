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
	var wrapped Errors
	if errors.As(err, &wrapped) && wrapped.none() && (len(wrapped) == 0 || len(wrapped) == len(items)) {
		err = nil // no item failed
	}
	switch errs := single(err); {
	case err == nil && len(out) != len(items):
		return nil, fmt.Errorf("the batch function returned %d results for %d items, want one for each", len(out), len(items))
	case err == nil:
		return out, nil
	case errs == nil: // Errors in its chain may be those of another batch
		return nil, err
	case len(errs) == len(items) && len(out) == len(items):
		return out, errs
	case len(errs) == len(items) && out == nil && errs.all():
		return make([]Out, len(items)), errs
	default:
		return nil, fmt.Errorf("the batch function returned %d results and %d errors for %d items, want one result and one error for each item: %w", len(out), len(errs), len(items), err)
	}
}

// single returns the errors of the items; nil: err is that of the whole batch.
func single(err error) Errors {
	errs, _ := err.(Errors) //nolint:errorlint // as invoke returns it
	return errs
}
