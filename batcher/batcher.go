package batcher

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
)

// Func is called with the items of a batch and returns a result for each, in
// their order. ctx ends when every caller of the batch has gone.
//
// An error fails the batch, or with [PoisonIsolate] what of it is to blame; [Errors]
// fails single items and lets the others have their results.
type Func[In, Out any] func(ctx context.Context, items []In) ([]Out, error)

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
	refused [RefusalLeft + 1]refusals // since mu was locked, for the observer
}

// refusals are calls that left without a result for one reason, and what the
// function computed for them in vain.
type refusals struct{ calls, computed int }

// call is one caller in Do.
type call[In, Out any] struct {
	core.Request
	ctx     context.Context
	items   []In
	out     []Out
	errs    Errors  // by item; nil while all are well
	whole   []error // of batches that failed as a whole
	lost    int     // items of those
	pending int     // items without a result
	done    chan error
	gone    bool // the caller waits no more
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

// WithObserver tells an observer what happens. Default and meaning of nil:
// nobody.
func WithObserver[In, Out any](o Observer) Option[In, Out] {
	return func(b *Batcher[In, Out]) {
		if o != nil {
			b.observer = o
		}
	}
}

// New returns a batcher that calls fn, with Config.Workers at most at once. The
// error is that of [Config.Validate], or that fn is nil.
func New[In, Out any](fn Func[In, Out], cfg Config, opts ...Option[In, Out]) (*Batcher[In, Out], error) {
	if fn == nil {
		return nil, errors.New("the batch function is nil")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	b := &Batcher[In, Out]{fn: fn, observer: nobody{}, start: time.Now(), cfg: cfg, core: core.New(cfg.core())}
	b.calls.New = func() any { return &call[In, Out]{done: make(chan error, 1)} }
	for _, opt := range opts {
		opt(b)
	}
	return b, nil
}

// now is the time on the core's clock, which begins at 1: 0 means never.
func (b *Batcher[In, Out]) now() int64 { return int64(time.Since(b.start)) + 1 }

// Configure changes the configuration, unless it is not valid. What is queued
// stays queued.
func (b *Batcher[In, Out]) Configure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.unlock()
	b.cfg = cfg.WithDefaults()
	b.core.Configure(b.cfg.core())
	b.advance(b.now(), false)
	return nil
}

// Do returns the results of items, in their order. They may go in several
// batches, together with those of other callers. No items are no results, and
// no call of the function, whether the batcher is closed or not.
//
// The error is the function's, an *[OverloadError], ErrClosed, or ctx's. Where
// only some of several items failed it is [Errors], and the results are those of
// the others; otherwise an error comes without results. When ctx ends, items
// that have not gone yet never will; those that have may still be read by the
// function after Do has returned, if they are or hold pointers.
func (b *Batcher[In, Out]) Do(ctx context.Context, items []In) ([]Out, Timing, error) {
	if err := ctx.Err(); err != nil {
		return nil, Timing{}, err
	}
	if len(items) == 0 {
		b.observer.Batched(Batch{Requests: 1})
		return []Out{}, Timing{}, nil
	}
	c := b.calls.Get().(*call[In, Out])
	c.ctx, c.items, c.pending, c.gone, c.timing = ctx, items, len(items), false, Timing{}
	c.out = make([]Out, len(items))
	c.Request = core.Request{Items: len(items), Sizes: b.sizes(items), Owner: c}
	if err := b.arrive(ctx, c); err != nil {
		b.release(c)
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
	why := RefusalLeft
	if c.Started == 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		why = RefusalExpired
	}
	b.refuse(why, c)
	b.unlock()
	return nil, Timing{}, ctx.Err()
}

// refuse counts a call that leaves without a result. b.mu is held.
func (b *Batcher[In, Out]) refuse(why Refusal, c *call[In, Out]) {
	b.refused[why].calls++
	b.refused[why].computed += len(c.items) - c.pending
}

// unlock unlocks b.mu, and then tells the observer who was refused under it.
func (b *Batcher[In, Out]) unlock() {
	refused := b.refused
	b.refused = [RefusalLeft + 1]refusals{}
	b.mu.Unlock()
	for why, r := range refused {
		if r.calls > 0 {
			b.observer.Refused(Refusal(why), r.calls, r.computed)
		}
	}
}

// leave notes that a caller has gone.
func (b *Batcher[In, Out]) leave(c *call[In, Out]) {
	b.core.Leave(&c.Request)
	b.drop(c)
}

// drop has nobody wait for a call any more. A batch whose callers have all gone
// need not go on.
func (b *Batcher[In, Out]) drop(c *call[In, Out]) {
	c.gone = true
	for _, l := range b.lanes {
		if l.batch != nil && l.has(c) {
			if l.callers--; l.callers == 0 {
				l.ctx.end(context.Canceled)
			}
		}
	}
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
		sizes[i] = min(max(1, b.sizeOf(item)), math.MaxInt32) // an int of 64 bits holds any sum of them
	}
	return sizes
}

func (b *Batcher[In, Out]) finish(c *call[In, Out], err error) ([]Out, Timing, error) {
	out, timing := c.out, c.timing
	if c.pending == 0 { // or a batch may still come to it
		b.release(c)
	}
	if some, _ := err.(Errors); err != nil && (some == nil || some.all()) { //nolint:errorlint // as failure returns it
		return nil, timing, err
	}
	return out, timing, err
}

// release lets a call be used again, of which nobody knows any more.
func (b *Batcher[In, Out]) release(c *call[In, Out]) {
	c.ctx, c.items, c.out, c.errs, c.whole, c.lost, c.Request = nil, nil, nil, nil, nil, 0, core.Request{}
	b.calls.Put(c)
}

func (b *Batcher[In, Out]) arrive(ctx context.Context, c *call[In, Out]) error {
	deadline, limited := ctx.Deadline()
	b.mu.Lock()
	now := b.now()
	if limited {
		c.Own = core.Later(now, float64(max(time.Until(deadline), 1)))
	}
	why, after := b.core.Arrive(now, &c.Request)
	if why == core.Admitted {
		b.advance(now, false)
	} else {
		b.refuse(Refusal(why), c)
	}
	b.unlock()
	switch why {
	case core.Admitted:
		return nil
	case core.Closed:
		return ErrClosed
	}
	return &OverloadError{Reason: Refusal(why), RetryAfter: time.Duration(after)}
}

// advance does what the core says is to be done now. b.mu is held. If worker is
// set, the caller is one that has just become idle, and runs the first batch
// itself: it is returned.
func (b *Batcher[In, Out]) advance(now int64, worker bool) (mine *lane[In, Out]) {
	for {
		step := b.core.Next(now)
		for _, r := range step.Expired {
			b.expire(r.Owner.(*call[In, Out]), now)
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

// expire answers a call that cannot be served in time. One whose own deadline
// has come is about to leave by itself.
func (b *Batcher[In, Out]) expire(c *call[In, Out], now int64) {
	if c.Own > 0 && now >= c.Own {
		return
	}
	b.refuse(RefusalExpired, c)
	b.drop(c)
	c.done <- &OverloadError{Reason: RefusalExpired}
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
			defer b.unlock()
			b.advance(b.now(), false)
		})
	default:
		b.timer.Reset(time.Duration(at - now))
	}
}

// Hurry ends all waiting: from now on a batch goes as soon as a worker is free.
// It is for the begin of a shutdown, when little more will come.
func (b *Batcher[In, Out]) Hurry() {
	b.mu.Lock()
	defer b.unlock()
	b.core.Hurry()
	b.advance(b.now(), false)
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
	b.unlock()
	select {
	case <-b.idle:
	case <-ctx.Done():
		select {
		case <-b.idle: // it ended at the same time
		default:
			return b.abandon(ctx.Err())
		}
	}
	b.running.Wait()
	return nil
}

// abandon refuses what is queued, since why.
func (b *Batcher[In, Out]) abandon(why error) error {
	b.mu.Lock()
	defer b.unlock()
	for _, r := range b.core.Abandon() {
		c := r.Owner.(*call[In, Out])
		b.refuse(RefusalClosed, c)
		b.drop(c)
		c.done <- ErrClosed
	}
	return fmt.Errorf("batches still ran: %w", why)
}
