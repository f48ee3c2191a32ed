package batcher

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
)

// lane is the state of one worker: the batch that it runs, and buffers that later
// batches use again.
type lane[In, Out any] struct {
	index   int
	batch   *core.Batch // nil: the worker is idle
	callers int         // callers that still wait
	items   []In
	until   int64 // the latest deadline of its callers
	ctx     *batchContext
	cfg     Config // when the batch was sent

	ready  []*call[In, Out]
	queued []time.Duration
}

func (l *lane[In, Out]) has(c *call[In, Out]) bool {
	return slices.ContainsFunc(l.batch.Parts, func(p core.Part) bool { return p.Request == &c.Request })
}

// lane gives a batch to the first idle worker. It copies the items, so that a
// caller that leaves may modify its slice. b.mu is held.
func (b *Batcher[In, Out]) lane(batch *core.Batch) *lane[In, Out] {
	at := slices.IndexFunc(b.lanes, func(l *lane[In, Out]) bool { return l.batch == nil })
	if at < 0 {
		at = len(b.lanes)
		b.lanes = append(b.lanes, &lane[In, Out]{index: at})
	}
	l := b.lanes[at]
	l.batch, l.callers, l.cfg = batch, len(batch.Parts), b.cfg
	l.items, l.until = make([]In, 0, batch.Items), 0
	parts := make([]origin, len(batch.Parts))
	for i, p := range batch.Parts {
		c := p.Request.Owner.(*call[In, Out])
		l.items = append(l.items, c.items[p.From:p.To]...)
		parts[i] = origin{c.ctx, len(l.items)}
		if l.until = max(l.until, c.Deadline); c.Deadline == 0 {
			l.until = math.MaxInt64
		}
	}
	l.ctx = &batchContext{Context: context.Background(), origins: origins{parts, 0, batch.Items}}
	return l
}

// run computes the batch of a lane, and then further batches while there are any.
// If the function calls runtime.Goexit, run starts another goroutine to continue.
func (b *Batcher[In, Out]) run(l *lane[In, Out]) {
	defer b.running.Done()
	defer func() {
		if l == nil {
			return
		}
		if l = b.end(l, nil, ErrGoexit, false); l != nil {
			b.running.Add(1)
			go b.run(l)
		}
	}()
	for l != nil {
		out, once, err := b.compute(l)
		l = b.end(l, out, err, once)
	}
}

// compute calls the function with the items of a lane. If the function fails and is
// retryable, compute calls it again with parts of the items. once reports whether
// compute called it only once.
func (b *Batcher[In, Out]) compute(l *lane[In, Out]) (out []Out, once bool, err error) {
	out, err = b.invoke(l.ctx, l.items)
	errs := single(err)
	switch {
	case err == nil:
	case l.cfg.FailurePolicy == FailurePolicyFail:
		if errs != nil {
			err = errors.Join(errs...)
		}
	case l.cfg.Retryable && errs == nil && len(l.items) > 1:
		out, err = b.isolate(l, err)
		return out, false, err
	}
	return out, true, err
}

// end ends the batch of a lane. It returns a lane, maybe another one, with the next
// batch to run, or nil.
func (b *Batcher[In, Out]) end(l *lane[In, Out], out []Out, err error, once bool) *lane[In, Out] {
	l.ctx.end(context.Canceled)
	ended, failed := b.settle(l, out, err, once)
	if calls, _ := b.Queued(); calls == 0 {
		runtime.Gosched() // let callers that have their results come back with more items
	}
	b.mu.Lock()
	defer b.unlock()
	b.core.Done(ended, l.batch, failed || !once)
	b.core.Recycle(l.batch)
	l.batch, l.ctx, l.items = nil, nil, nil // so that an idle worker keeps no memory in use
	return b.advance(b.now(), true)
}

// settle gives the results of a batch to its callers. It returns when the batch
// ended, and whether all its items failed.
func (b *Batcher[In, Out]) settle(l *lane[In, Out], out []Out, err error, once bool) (ended int64, failed bool) {
	errs := single(err)
	failed = err != nil && (errs == nil || errs.all())
	b.mu.Lock()
	now, batch := b.now(), l.batch
	event := Batch{
		Requests: len(batch.Parts), Items: batch.Items, Size: batch.Size, MaxSize: l.cfg.MaxBatchSize, Reason: Reason(batch.Reason), Worker: l.index + 1,
		Compute: time.Duration(now - batch.Started), Failed: failed,
	}
	if once {
		event.Predicted = time.Duration(batch.Predicted)
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
		c.give(p, from, out, err, errs)
		if c.pending > 0 {
			continue
		}
		c.timing = Timing{Queue: time.Duration(c.Started - c.Arrived), Compute: time.Duration(now - c.Started),
			Items: batch.Items, MaxSize: l.cfg.MaxBatchSize, Reason: event.Reason}
		c.gone = true
		l.ready = append(l.ready, c)
	}
	event.Queued = l.queued
	b.mu.Unlock()
	b.batched(event) // before the callers continue: their batch is then counted
	for i, c := range l.ready {
		l.ready[i] = nil
		c.done <- c.failure()
	}
	return now, failed
}
