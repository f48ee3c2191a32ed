package batcher

import (
	"context"
	"errors"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
)

// call is the state of one call of Do.
type call[In, Out any] struct {
	core.Request
	ctx     context.Context
	items   []In
	out     []Out
	errs    Errors  // by item; nil if none has failed
	whole   []error // errors of batches in which every item failed
	lost    int     // the call's items in those batches
	pending int     // items without a result
	done    chan error
	gone    bool // Do has returned, or is about to
	timing  Timing
}

// give stores the results of the part p. They begin at index from of out and errs,
// which are those of the batch. If errs is set, give ignores err.
func (c *call[In, Out]) give(p core.Part, from int, out []Out, err error, errs Errors) {
	n := p.To - p.From
	c.pending -= n
	if err != nil && c.errs == nil {
		c.errs = make(Errors, len(c.items))
	}
	if err != nil && errs == nil {
		fill(c.errs[p.From:p.To], err)
		c.whole = append(c.whole, err)
		c.lost += n
		return
	}
	copy(c.out[p.From:p.To], out[from:])
	if errs != nil {
		copy(c.errs[p.From:p.To], errs[from:])
	}
}

// failure returns the error of a call that has all its results.
func (c *call[In, Out]) failure() error {
	switch {
	case c.errs == nil || c.errs.none():
		return nil
	case len(c.items) == 1:
		return c.errs[0]
	case c.lost < len(c.items):
		return c.errs
	case len(c.whole) == 1:
		return c.whole[0]
	}
	return errors.Join(c.whole...)
}
