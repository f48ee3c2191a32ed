package batcher

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
)

// Func is called with the items of a batch and returns a result for each, in
// their order. ctx ends when every caller of the batch has gone.
//
// An error fails the batch, or with [Isolate] what of it is to blame; [Errors]
// fails single items and lets the others have their results.
type Func[In, Out any] func(ctx context.Context, items []In) ([]Out, error)

// Errors is returned by a [Func] to fail single items: as many as there are
// items, nil for those that have a result.
type Errors []error

// Error joins what is not nil.
func (e Errors) Error() string { return errors.Join(e...).Error() }

// What Do can return besides the function's own errors and its context's.
var (
	// ErrOverloaded is a queue that is full, or too long for the caller's
	// deadline. An *[OverloadError] wraps it.
	ErrOverloaded = errors.New("the batch queue is overloaded")
	// ErrClosed is a batcher that drains.
	ErrClosed = errors.New("the batcher is closed")
)

// OverloadError says why a call was refused, and when another may be admitted.
type OverloadError struct {
	Reason     Refusal
	RetryAfter time.Duration // 0: not known
}

// Error names the reason.
func (e *OverloadError) Error() string { return ErrOverloaded.Error() + ": " + e.Reason.String() }

// Unwrap returns ErrOverloaded.
func (e *OverloadError) Unwrap() error { return ErrOverloaded }

// PanicError is a panic of the function, as the error of its batch.
type PanicError struct {
	Value any
	Stack []byte
}

// Error prints what the function panicked with.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Batcher merges callers into batches. Make one with [New]. Its methods can be
// called at the same time.
type Batcher[In, Out any] struct {
	fn       Func[In, Out]
	sizeOf   func(In) int
	observer Observer
	start    time.Time // of the clock that core is told

	mu      sync.Mutex
	cfg     Config
	core    *core.Core
	timer   *time.Timer
	lanes   []*lane[In, Out] // by worker
	running sync.WaitGroup
	calls   sync.Pool
	idle    chan struct{} // closed when nothing is queued or runs, once closed
	closed  bool
}

// call is one caller in Do.
type call[In, Out any] struct {
	core.Request
	ctx     context.Context
	items   []In
	out     []Out
	errs    []error // by item; nil while all are well
	pending int     // items without a result
	done    chan error
	gone    bool  // the caller waits no more
	own     int64 // the deadline of its context; 0: it has none
	timing  Timing
}

// Timing is how a call spent its time.
type Timing struct {
	// Queue is from arrival to when the first of its items went, Compute from
	// there to the last result.
	Queue, Compute time.Duration
	// Items of the last batch that had items of the call, and its largest size.
	Items, MaxSize int
	Reason         Reason
}

// Option changes how a batcher is made.
type Option[In, Out any] func(*Batcher[In, Out])

// SizeOf makes items count for other than 1 towards MaxBatchSize and MaxQueue:
// tokens, pixels. An item that alone is larger than MaxBatchSize is a batch of
// its own. What is below 1 counts as 1.
func SizeOf[In, Out any](size func(In) int) Option[In, Out] {
	return func(b *Batcher[In, Out]) { b.sizeOf = size }
}

// WithObserver tells an observer what happens. Default: nobody.
func WithObserver[In, Out any](o Observer) Option[In, Out] {
	return func(b *Batcher[In, Out]) { b.observer = o }
}

// New returns a batcher that calls fn. The configuration must be valid, see
// [Config.Validate].
func New[In, Out any](fn Func[In, Out], cfg Config, opts ...Option[In, Out]) *Batcher[In, Out] {
	cfg = cfg.WithDefaults()
	b := &Batcher[In, Out]{fn: fn, observer: nobody{}, start: time.Now(), cfg: cfg, core: core.New(cfg.core())}
	b.calls.New = func() any { return &call[In, Out]{done: make(chan error, 1)} }
	for _, opt := range opts {
		opt(b)
	}
	return b
}

// now is the time on the core's clock, which begins at 1: 0 means never.
func (b *Batcher[In, Out]) now() int64 { return int64(time.Since(b.start)) + 1 }

// Configure changes the configuration. What is queued stays queued.
func (b *Batcher[In, Out]) Configure(cfg Config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cfg = cfg.WithDefaults()
	b.core.Configure(b.cfg.core())
	b.advance(b.now(), false)
}

// Do returns the results of items, in their order. They may go in several
// batches, together with those of other callers. No items are no results, and
// no call of the function.
//
// The error is the function's (with several items, those of all that failed,
// joined), an *[OverloadError], ErrClosed, or ctx's. When ctx ends, items that
// have not gone yet never will.
func (b *Batcher[In, Out]) Do(ctx context.Context, items []In) ([]Out, Timing, error) {
	if err := ctx.Err(); err != nil {
		return nil, Timing{}, err
	}
	if len(items) == 0 {
		b.observer.Batched(Batch{Requests: 1})
		return []Out{}, Timing{}, nil
	}
	c := b.calls.Get().(*call[In, Out])
	c.ctx, c.items, c.pending, c.gone, c.errs, c.timing = ctx, items, len(items), false, nil, Timing{}
	c.out = make([]Out, len(items))
	c.Request = core.Request{Items: len(items), Sizes: b.sizes(items), Owner: c}
	if err := b.arrive(ctx, c); err != nil {
		b.calls.Put(c)
		return nil, Timing{}, err
	}
	select {
	case err := <-c.done:
		return b.finish(c, err)
	case <-ctx.Done():
	}
	b.mu.Lock()
	select {
	case err := <-c.done: // it was answered meanwhile
		b.mu.Unlock()
		return b.finish(c, err)
	default:
	}
	b.leave(c)
	b.advance(b.now(), false)
	b.mu.Unlock()
	b.observer.Refused(Left)
	return nil, Timing{}, ctx.Err()
}

// leave notes that a caller has gone. A batch whose callers have all gone need
// not go on.
func (b *Batcher[In, Out]) leave(c *call[In, Out]) {
	c.gone = true
	b.core.Leave(&c.Request)
	for _, l := range b.lanes {
		if l.batch != nil && l.has(c) {
			if l.callers--; l.callers == 0 {
				l.ctx.end(context.Canceled)
			}
		}
	}
}

// Alone calls the function with items in batches of their own, at once and in
// the caller's goroutine: what Do is when batching is switched off.
func (b *Batcher[In, Out]) Alone(ctx context.Context, items []In) ([]Out, Timing, error) {
	b.mu.Lock()
	size := b.cfg.MaxBatchSize
	b.mu.Unlock()
	if len(items) == 0 {
		return b.Do(ctx, items)
	}
	started := time.Now()
	results := make([]Out, 0, len(items))
	for part := range slices.Chunk(items, size) {
		at := time.Now()
		out, err := b.invoke(ctx, part)
		b.observer.Batched(Batch{Requests: 1, Items: len(part), Size: len(part), MaxSize: size, Reason: Ready, Worker: 1, Compute: time.Since(at), Failed: err != nil})
		if err != nil {
			return nil, Timing{}, err
		}
		results = append(results, out...)
	}
	return results, Timing{Compute: time.Since(started), Items: min(len(items), size), MaxSize: size, Reason: Ready}, nil
}

// Queued returns how many requests wait for a batch, and their items.
func (b *Batcher[In, Out]) Queued() (requests, items int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.core.Queued()
}

func (b *Batcher[In, Out]) sizes(items []In) []int {
	if b.sizeOf == nil {
		return nil
	}
	sizes := make([]int, len(items))
	for i, item := range items {
		sizes[i] = max(1, b.sizeOf(item))
	}
	return sizes
}

func (b *Batcher[In, Out]) finish(c *call[In, Out], err error) ([]Out, Timing, error) {
	out, timing := c.out, c.timing
	if c.pending == 0 { // or a batch may still come to it
		c.ctx, c.items, c.out, c.errs = nil, nil, nil, nil
		b.calls.Put(c)
	}
	if err != nil {
		return nil, timing, err
	}
	return out, timing, nil
}

func (b *Batcher[In, Out]) arrive(ctx context.Context, c *call[In, Out]) error {
	deadline, limited := ctx.Deadline()
	b.mu.Lock()
	now := b.now()
	c.own = 0
	if limited {
		c.own = now + max(int64(time.Until(deadline)), 1)
	}
	c.Deadline = c.own
	why, after := b.core.Arrive(now, &c.Request)
	if why == core.Admitted {
		b.advance(now, false)
	}
	b.mu.Unlock()
	switch why {
	case core.Admitted:
		return nil
	case core.Closed:
		b.observer.Refused(Closed)
		return ErrClosed
	}
	b.observer.Refused(Refusal(why))
	return &OverloadError{Reason: Refusal(why), RetryAfter: time.Duration(after)}
}

// advance does what the core says is to be done now. b.mu is held. If worker is
// set, the caller is one that has just become idle, and runs the first batch
// itself: it is returned.
func (b *Batcher[In, Out]) advance(now int64, worker bool) (mine *lane[In, Out]) {
	for {
		step := b.core.Next(now)
		for _, r := range step.Expired {
			b.refuse(r.Owner.(*call[In, Out]), now)
		}
		if step.Batch == nil {
			b.wake(step.Again, now)
			break
		}
		l := b.lane(step.Batch)
		if worker && mine == nil {
			mine = l
			continue
		}
		b.running.Add(1)
		go b.run(l)
	}
	if b.closed && b.core.Running() == 0 {
		if requests, _ := b.core.Queued(); requests == 0 {
			close(b.idle)
			b.closed = false
		}
	}
	return mine
}

// refuse answers a call that cannot be served in time. One whose own deadline
// has come is about to leave by itself.
func (b *Batcher[In, Out]) refuse(c *call[In, Out], now int64) {
	if c.own > 0 && now >= c.own {
		return
	}
	b.observer.Refused(Expired)
	c.gone = true
	c.done <- &OverloadError{Reason: Expired}
}

// wake has advance called at a time, and only then.
func (b *Batcher[In, Out]) wake(at, now int64) {
	switch {
	case at <= 0:
		if b.timer != nil {
			b.timer.Stop()
		}
	case b.timer == nil:
		b.timer = time.AfterFunc(time.Duration(at-now), func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.advance(b.now(), false)
		})
	default:
		b.timer.Reset(time.Duration(at - now))
	}
}

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

// Close admits nothing more and waits until what is queued is answered, or ctx
// ends; what is then still queued is refused with ErrClosed.
func (b *Batcher[In, Out]) Close(ctx context.Context) error {
	b.mu.Lock()
	if b.idle == nil {
		b.idle = make(chan struct{})
		b.closed = true
		b.core.Close()
		b.advance(b.now(), false)
	}
	b.mu.Unlock()
	select {
	case <-b.idle:
		b.running.Wait()
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.core.Abandon() {
		c := r.Owner.(*call[In, Out])
		c.gone = true
		c.done <- ErrClosed
	}
	return fmt.Errorf("batches still ran: %w", ctx.Err())
}
