package batcher

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
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
	items   []In
	until   int64 // the latest deadline of its callers
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

// lane gives a batch to the first idle worker. b.mu is held: the items are
// copied before any of their callers can leave.
func (b *Batcher[In, Out]) lane(batch *core.Batch) *lane[In, Out] {
	at := slices.IndexFunc(b.lanes, func(l *lane[In, Out]) bool { return l.batch == nil })
	if at < 0 {
		at = len(b.lanes)
		b.lanes = append(b.lanes, &lane[In, Out]{index: at})
	}
	l := b.lanes[at]
	l.batch, l.callers, l.retry = batch, len(batch.Parts), b.cfg.Retryable && b.cfg.Poison != PoisonFail
	l.items, l.until = make([]In, 0, batch.Items), 0
	contexts := make([]context.Context, len(batch.Parts))
	for i, p := range batch.Parts {
		c := p.Request.Owner.(*call[In, Out])
		contexts[i] = c.ctx
		l.items = append(l.items, c.items[p.From:p.To]...)
		if l.until = max(l.until, c.Deadline); c.Deadline == 0 {
			l.until = math.MaxInt64
		}
	}
	l.ctx = &batchContext{Context: context.Background(), callers: contexts} // the function may keep it
	return l
}

// run calls the function with a batch and answers its callers, and goes on with
// the next one as long as there is one.
func (b *Batcher[In, Out]) run(l *lane[In, Out]) {
	defer b.running.Done()
	defer func() {
		if l == nil {
			return
		}
		// The function has ended this goroutine. The worker goes on in another.
		if l = b.end(l, nil, ErrGoexit, false); l != nil {
			b.running.Add(1)
			go b.run(l)
		}
	}()
	for l != nil {
		out, err := b.invoke(l.ctx, l.items)
		exact := true // what it took is what one call takes
		if err != nil && l.retry && len(l.items) > 1 && single(err) == nil {
			search := &search[In, Out]{b: b, lane: l, patience: bits.Len(uint(len(l.items))) + 4}
			out, err = search.blame(err)
			exact = false
		}
		l = b.end(l, out, err, exact)
	}
}

// end ends a worker's batch, and returns the worker with its next one, or
// another one that is idle; nil: there is nothing to do.
func (b *Batcher[In, Out]) end(l *lane[In, Out], out []Out, err error, exact bool) *lane[In, Out] {
	l.ctx.end(context.Canceled)
	ended, failed := b.settle(l, out, err, exact)
	if b.quiet() {
		runtime.Gosched() // let those who were just answered come back with more
	}
	b.mu.Lock()
	defer b.unlock()
	b.core.Done(ended, l.batch, failed || !exact)
	b.core.Recycle(l.batch)
	l.batch, l.ctx, l.items = nil, nil, nil // what an idle worker held, nobody could free
	return b.advance(b.now(), true)
}

// quiet reports whether nothing is queued.
func (b *Batcher[In, Out]) quiet() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	requests, _ := b.core.Queued()
	return requests == 0
}

// single returns the errors by item that err is, or nil.
func single(err error) (errs Errors) {
	if err != nil {
		errors.As(err, &errs)
	}
	return errs
}

// invoke calls the function and makes what it does wrong into errors.
func (b *Batcher[In, Out]) invoke(ctx context.Context, items []In) (out []Out, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	out, err = b.fn(ctx, items)
	var errs Errors
	if errors.As(err, &errs) && errs.none() && (len(errs) == 0 || len(errs) == len(items)) {
		err = nil // whatever is around them
	}
	switch {
	case err == nil:
		if len(out) != len(items) {
			return nil, fmt.Errorf("the batch function returned %d results for %d items", len(out), len(items))
		}
	case errs != nil:
		if out == nil && errs.all() {
			out = make([]Out, len(items)) // to none of which anybody looks
		}
		if len(errs) != len(items) || len(out) != len(items) {
			return nil, fmt.Errorf("the batch function returned %d results and %d errors for %d items: %s", len(out), len(errs), len(items), err.Error()) // not wrapped: its errors are no item's
		}
	}
	return out, err
}

// settle hands a batch's results to its callers, and returns when it ended, and
// whether no item has a result. exact says that the function was called once.
func (b *Batcher[In, Out]) settle(l *lane[In, Out], out []Out, err error, exact bool) (ended int64, failed bool) {
	errs := single(err)
	failed = err != nil && (errs == nil || errs.all())
	b.mu.Lock()
	now, batch := b.now(), l.batch
	event := Batch{
		Requests: len(batch.Parts), Items: batch.Items, Size: batch.Size, MaxSize: b.cfg.MaxBatchSize, Reason: Reason(batch.Reason), Worker: l.index + 1,
		Compute: time.Duration(now - batch.Started), Predicted: time.Duration(batch.Predicted), Failed: failed,
	}
	if !exact {
		event.Predicted = 0
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
		if p.From == 0 {
			l.queued = append(l.queued, time.Duration(batch.Started-c.Arrived))
		}
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
		c.done <- c.failure()
	}
	return now, failed
}

// give writes the results of a part, which begin at at.
func (c *call[In, Out]) give(p core.Part, out []Out, err error, errs Errors, at int) {
	n := p.To - p.From
	c.pending -= n
	if err != nil && c.errs == nil {
		c.errs = make(Errors, len(c.items))
	}
	switch {
	case errs != nil:
		copy(c.errs[p.From:p.To], errs[at:])
		copy(c.out[p.From:p.To], out[at:])
	case err != nil:
		fill(c.errs[p.From:p.To], err)
		c.whole = append(c.whole, err)
		c.lost += n
	default:
		copy(c.out[p.From:p.To], out[at:])
	}
}

// failure is what a call is told once all its items have gone.
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
