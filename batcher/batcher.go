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

// Func computes a batch: it returns one result for each item, in their order.
// ctx ends when the last caller of the batch leaves; [ItemContext] has the
// context of each item's call.
//
// It returns [Errors] to fail single items. Any other error, a panic, or a wrong
// number of results fails every item of the batch, or with Config.Retryable only
// the items that cause it. With Config.FailurePolicy set to FailurePolicyFail, any
// error fails every item.
type Func[In, Out any] func(ctx context.Context, items []In) ([]Out, error)

// Batcher merges the items of many calls into batches. Make one with [New]. Its
// methods are safe for concurrent use.
type Batcher[In, Out any] struct {
	fn    Func[In, Out]
	opts  options[In]
	start time.Time // the zero of the core's clock
	calls sync.Pool

	mu      sync.Mutex
	cfg     Config
	core    *core.Core
	timer   *time.Timer
	lanes   []*lane[In, Out]            // one for each worker
	refused [RefusalHanging + 1]Refused // by reason: the calls that were refused since mu was locked
	idle    chan struct{}               // made by Close; closed when nothing is queued or running
	closing bool                        // Close was called and idle is not closed yet

	running sync.WaitGroup // goroutines of workers
}

// New returns a batcher that calls fn, at most Config.Workers times at once. It
// returns the error of [Config.Validate], or an error if fn or an option is nil.
func New[In, Out any](fn Func[In, Out], cfg Config, opts ...Option[In]) (*Batcher[In, Out], error) {
	if fn == nil {
		return nil, errors.New("the batch function must not be nil")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	b := &Batcher[In, Out]{fn: fn, start: time.Now(), cfg: cfg, core: core.New(cfg.core())}
	b.calls.New = func() any { return &call[In, Out]{done: make(chan error, 1)} }
	for i, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf("option %d must not be nil", i+1)
		}
		opt.apply(&b.opts)
	}
	return b, nil
}

// Configure replaces the configuration. Queued items stay queued. If the
// configuration is invalid, it returns the error of [Config.Validate] and changes
// nothing.
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

// Queued returns how many calls have items in the queue, and how many items.
func (b *Batcher[In, Out]) Queued() (calls, items int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.core.Queued()
}

// Result is what [Batcher.Do] returns.
type Result[Out any] struct {
	// Items has the result of each item, in their order.
	Items  []Out
	Timing Timing
}

// Timing says how a call spent its time.
type Timing struct {
	// Queue is the time from the call until its first items were sent to the
	// function. Compute is the time from then until its last result.
	Queue, Compute time.Duration
	// Items is the number of items in the last batch with items of the call.
	// MaxSize is the limit of that batch's size. Reason is why it was sent.
	Items, MaxSize int
	Reason         Reason
}

// Do returns the results of items. It merges them with the items of other calls,
// and splits them over several batches if they do not fit into one. Without
// items it returns an empty list and does not call the function.
//
// The error is an error of the function, an *[OverloadError], [ErrClosed], or the
// error of ctx. If only some items failed, it is [Errors], and Result.Items has the
// results of the others; with any other error Result.Items is nil.
//
// When ctx ends, Do returns at once. Items that were not sent to the function are
// then never sent. The function may still use the items that were sent: a caller
// must not modify what their pointers point to.
func (b *Batcher[In, Out]) Do(ctx context.Context, items []In) (Result[Out], error) {
	if err := ctx.Err(); err != nil {
		return Result[Out]{}, err
	}
	if len(items) == 0 {
		return b.nothing()
	}
	c := b.calls.Get().(*call[In, Out])
	c.ctx, c.items, c.pending, c.gone, c.timing = ctx, items, len(items), false, Timing{}
	c.out = make([]Out, len(items))
	c.Request = core.Request{Items: len(items), Sizes: b.sizes(items), Owner: c, Rank: b.opts.rank(ctx)}
	if err := b.arrive(c); err != nil {
		b.release(c)
		return Result[Out]{}, err
	}
	select {
	case err := <-c.done:
		return b.finish(c, err)
	case <-ctx.Done():
		return b.leave(c)
	}
}

// nothing is the result of a call without items.
func (b *Batcher[In, Out]) nothing() (Result[Out], error) {
	b.mu.Lock()
	closed := b.idle != nil
	if closed {
		b.refused[RefusalClosed].Calls++
	}
	b.unlock()
	if closed {
		return Result[Out]{}, ErrClosed
	}
	b.batched(Batch{Requests: 1})
	return Result[Out]{Items: []Out{}}, nil
}

// sizes returns nil if each item has size 1.
func (b *Batcher[In, Out]) sizes(items []In) []int {
	if b.opts.sizeOf == nil {
		return nil
	}
	sizes := make([]int, len(items))
	for i, item := range items {
		sizes[i] = min(max(1, b.opts.sizeOf(item)), math.MaxInt32) // so that sums do not overflow
	}
	return sizes
}

// arrive queues a call, or refuses it.
func (b *Batcher[In, Out]) arrive(c *call[In, Out]) error {
	deadline, limited := c.ctx.Deadline()
	b.mu.Lock()
	defer b.unlock()
	now := b.now()
	if b.idle == nil && b.hanging(now) {
		b.refuse(RefusalHanging, c)
		return &OverloadError{Reason: RefusalHanging}
	}
	if limited {
		c.Own = core.Later(now, float64(max(time.Until(deadline), 1)))
	}
	why, after := b.core.Arrive(now, &c.Request)
	if why == core.Admitted {
		b.advance(now, false)
		return nil
	}
	b.refuse(Refusal(why), c)
	if why == core.Closed {
		return ErrClosed
	}
	return &OverloadError{Reason: Refusal(why), RetryAfter: time.Duration(after)}
}

// leave ends a call whose context has ended, unless it has its result already.
func (b *Batcher[In, Out]) leave(c *call[In, Out]) (Result[Out], error) {
	b.mu.Lock()
	defer b.unlock()
	select {
	case err := <-c.done:
		return b.finish(c, err)
	default:
	}
	b.core.Leave(&c.Request)
	b.drop(c)
	b.advance(b.now(), false)
	why := RefusalLeft
	if c.Started == 0 && errors.Is(c.ctx.Err(), context.DeadlineExceeded) {
		why = RefusalExpired
	}
	b.refuse(why, c)
	return Result[Out]{}, c.ctx.Err()
}

// finish returns a call's result. err is from c.done.
func (b *Batcher[In, Out]) finish(c *call[In, Out], err error) (Result[Out], error) {
	result := Result[Out]{c.out, c.timing}
	if some, _ := err.(Errors); err != nil && (some == nil || some.all()) { //nolint:errorlint // as failure returns it
		result.Items = nil
	}
	if c.pending == 0 { // otherwise a batch still refers to it
		b.release(c)
	}
	return result, err
}

// release puts a call that nothing refers to into the pool.
func (b *Batcher[In, Out]) release(c *call[In, Out]) {
	*c = call[In, Out]{done: c.done}
	b.calls.Put(c)
}

// refuse counts a call that ends without a result. b.mu is held.
func (b *Batcher[In, Out]) refuse(why Refusal, c *call[In, Out]) {
	b.refused[why].Calls++
	b.refused[why].Abandoned += len(c.items) - c.pending
}

// unlock unlocks b.mu and reports the calls that were refused while it was held.
func (b *Batcher[In, Out]) unlock() {
	refused := b.refused
	b.refused = [len(refused)]Refused{}
	b.mu.Unlock()
	for why, r := range refused {
		if r.Calls > 0 && b.opts.observer.Refused != nil {
			r.Reason = Refusal(why)
			b.opts.observer.Refused(r)
		}
	}
}

func (b *Batcher[In, Out]) batched(batch Batch) {
	if b.opts.observer.Batched != nil {
		b.opts.observer.Batched(batch)
	}
}
