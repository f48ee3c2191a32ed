package batcher

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
)

// lane is a worker: the batch on its way, and what is used again for the next.
type lane[In, Out any] struct {
	index   int
	batch   *core.Batch // nil: the worker is idle
	callers int         // that are still there
	ctx     *batchContext
	retry   bool

	ready  []*call[In, Out]
	queued []time.Duration
}

func (l *lane[In, Out]) has(c *call[In, Out]) bool {
	for _, p := range l.batch.Parts {
		if p.Request == &c.Request {
			return true
		}
	}
	return false
}

// contexts are those of the callers of the batch that runs.
func (l *lane[In, Out]) contexts() []context.Context {
	all := make([]context.Context, 0, len(l.batch.Parts))
	for _, p := range l.batch.Parts {
		all = append(all, p.Request.Owner.(*call[In, Out]).ctx)
	}
	return all
}

// lane gives a batch to the first idle worker. b.mu is held.
func (b *Batcher[In, Out]) lane(batch *core.Batch) *lane[In, Out] {
	at := slices.IndexFunc(b.lanes, func(l *lane[In, Out]) bool { return l.batch == nil })
	if at < 0 {
		at = len(b.lanes)
		b.lanes = append(b.lanes, &lane[In, Out]{index: at})
	}
	l := b.lanes[at]
	l.batch, l.callers, l.retry = batch, len(batch.Parts), b.cfg.Retryable && b.cfg.Poison != Fail
	l.ctx = &batchContext{Context: context.Background(), callers: l.contexts} // the function may keep it
	return l
}

// run calls the function with a batch and answers its callers, and goes on with
// the next one as long as there is one.
func (b *Batcher[In, Out]) run(l *lane[In, Out]) {
	defer b.running.Done()
	for l != nil {
		items := make([]In, 0, l.batch.Items)
		for _, p := range l.batch.Parts {
			items = append(items, p.Request.Owner.(*call[In, Out]).items[p.From:p.To]...)
		}
		out, err := b.invoke(l.ctx, items)
		if err != nil && l.retry && len(items) > 1 && single(err) == nil {
			out = make([]Out, len(items))
			errs := make(Errors, len(items))
			b.bisect(l.ctx, items, out, errs)
			err = errs
		}
		l.ctx.end(context.Canceled)
		ended := b.settle(l, out, err)
		if b.quiet() {
			runtime.Gosched() // let those who were just answered come back with more
		}
		l = b.next(l, ended, err != nil)
	}
}

// quiet reports whether nothing is queued.
func (b *Batcher[In, Out]) quiet() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	requests, _ := b.core.Queued()
	return requests == 0
}

// next ends a worker's batch, and returns the worker with its next one, or
// another one that is idle; nil: there is nothing to do.
func (b *Batcher[In, Out]) next(l *lane[In, Out], ended int64, failed bool) *lane[In, Out] {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.core.Done(ended, l.batch, failed)
	b.core.Recycle(l.batch)
	l.batch = nil
	return b.advance(b.now(), true)
}

// single returns the errors by item that err is, or nil.
func single(err error) (errs Errors) {
	if err != nil {
		errors.As(err, &errs)
	}
	return errs
}

// bisect finds what of a batch that failed is to blame, by trying its halves.
func (b *Batcher[In, Out]) bisect(ctx context.Context, items []In, out []Out, errs Errors) {
	half := len(items) / 2
	for _, part := range [][2]int{{0, half}, {half, len(items)}} {
		from, to := part[0], part[1]
		got, err := b.invoke(ctx, items[from:to])
		named := single(err)
		switch {
		case err == nil:
			copy(out[from:to], got)
		case named != nil:
			copy(out[from:to], got)
			copy(errs[from:to], named)
		case to-from == 1:
			errs[from] = err
		default:
			b.bisect(ctx, items[from:to], out[from:to], errs[from:to])
		}
	}
}

// invoke calls the function and makes what it does wrong into errors.
func (b *Batcher[In, Out]) invoke(ctx context.Context, items []In) (out []Out, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	out, err = b.fn(ctx, items)
	errs := single(err)
	switch {
	case errs != nil:
		if len(errs) != len(items) || len(out) != len(items) {
			return nil, fmt.Errorf("the batch function returned %d results and %d errors for %d items", len(out), len(errs), len(items))
		}
	case err == nil && len(out) != len(items):
		return nil, fmt.Errorf("the batch function returned %d results for %d items", len(out), len(items))
	}
	return out, err
}

// settle hands a batch's results to its callers, and returns when it ended.
func (b *Batcher[In, Out]) settle(l *lane[In, Out], out []Out, err error) int64 {
	errs := single(err)
	b.mu.Lock()
	now, batch := b.now(), l.batch
	event := Batch{
		Requests: len(batch.Parts), Items: batch.Items, Size: batch.Size, MaxSize: b.cfg.MaxBatchSize, Reason: Reason(batch.Reason), Worker: l.index + 1,
		Compute: time.Duration(now - batch.Started), Predicted: time.Duration(batch.Predicted), Failed: err != nil,
	}
	l.ready, l.queued = l.ready[:0], l.queued[:0]
	at := 0
	for _, p := range batch.Parts {
		c := p.Request.Owner.(*call[In, Out])
		from := at
		at += p.To - p.From
		if c.gone {
			event.Abandoned += p.To - p.From
			continue
		}
		l.queued = append(l.queued, time.Duration(batch.Started-c.Arrived))
		c.give(p, out, err, errs, from)
		if c.pending > 0 {
			continue
		}
		c.timing = Timing{Queue: time.Duration(c.Started - c.Arrived), Compute: time.Duration(now - c.Started),
			Items: batch.Items, MaxSize: b.cfg.MaxBatchSize, Reason: event.Reason}
		c.gone = true
		l.ready = append(l.ready, c)
	}
	event.Queued = l.queued
	b.mu.Unlock()
	b.observer.Batched(event) // first, so that who has an answer finds it counted
	for i, c := range l.ready {
		l.ready[i] = nil
		c.done <- joined(c.errs)
	}
	return now
}

// joined is the errors that are not nil; one of them as it is.
func joined(errs []error) error {
	first, count := error(nil), 0
	for _, err := range errs {
		if err != nil {
			if count++; count == 1 {
				first = err
			}
		}
	}
	if count > 1 {
		return errors.Join(errs...)
	}
	return first
}

// give writes the results of a part, which begin at at.
func (c *call[In, Out]) give(p core.Part, out []Out, err error, errs Errors, at int) {
	c.pending -= p.To - p.From
	switch {
	case errs != nil:
		c.errs = append(c.errs, errs[at:at+p.To-p.From]...)
		copy(c.out[p.From:p.To], out[at:])
	case err != nil:
		c.errs = append(c.errs, err)
	default:
		copy(c.out[p.From:p.To], out[at:])
	}
}
