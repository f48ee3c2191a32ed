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
	itself, _ := err.(Errors) //nolint:errorlint // one that is wrapped may be that of another batch
	switch {
	case err == nil:
		if len(out) != len(items) {
			return nil, fmt.Errorf("the batch function returned %d results for %d items, want one for each", len(out), len(items))
		}
	case errs == nil, itself == nil && out == nil:
		return out, err
	case len(errs) == len(items) && len(out) == len(items):
		return out, errs
	case len(errs) == len(items) && out == nil && errs.all():
		return make([]Out, len(items)), errs
	default:
		return nil, fmt.Errorf("the batch function returned %d results and %d errors for %d items, want one of both for each item: %w", len(out), len(errs), len(items), err)
	}
	return out, nil
}

// single returns the errors of the items; nil: err is that of the whole batch.
func single(err error) Errors {
	errs, _ := err.(Errors) //nolint:errorlint // as invoke returns it
	return errs
}
