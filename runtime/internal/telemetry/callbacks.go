package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
)

// maxCallback is the longest time that one collection waits for one callback. A
// collection with a deadline waits for at most three quarters of the remaining time,
// so that the other callbacks and the response have time as well.
const maxCallback = 5 * time.Second

var errCallbackRuns = errors.New("the callback of an earlier collection still runs")

// callback runs the callback of an observable instrument. A collection does not wait
// for one that blocks; a panic becomes an error. The goroutine of a run ends when the
// user's function returns.
type callback struct {
	what    string        // names the callback in errors
	slot    chan struct{} // holds a value while the callback runs
	current atomic.Pointer[callbackRun]
}

// callbackRun is one run of a callback. made and err are final when done is closed.
type callbackRun struct {
	began time.Time
	late  atomic.Bool // the collection that started the run no longer waits for it
	done  chan struct{}
	made  *observations
	err   error
}

func newCallback(kind, name string) *callback {
	return &callback{what: fmt.Sprintf("%s %q", kind, name), slot: make(chan struct{}, 1)}
}

// run calls f and returns its observations. If f is late, it returns none, because f
// may still be writing. If another reader's collection runs the callback, run first
// waits for it. It takes the observations of a run that is late, because a collection
// with little time must not take the metric from those with more.
func (c *callback) run(ctx context.Context, f func(context.Context, *observations) error) (*observations, error) {
	limit := maxCallback
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)*3/4)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	if earlier := c.current.Load(); earlier != nil && earlier.late.Load() {
		if !earlier.wait(timer.C) {
			return &observations{}, fmt.Errorf("%s: %w", c.what, errCallbackRuns)
		}
		if earlier.err == nil { // an error may be that of an earlier context
			return earlier.made, nil
		}
	}
	select {
	case c.slot <- struct{}{}:
	case <-timer.C:
		return &observations{}, fmt.Errorf("%s: %w", c.what, errCallbackRuns)
	}
	r := &callbackRun{began: time.Now(), made: &observations{}, done: make(chan struct{})}
	c.current.Store(r)
	go c.call(ctx, f, r)
	select {
	case <-r.done:
		if r.err != nil {
			return r.made, fmt.Errorf("%s: %w", c.what, r.err)
		}
		return r.made, nil
	case <-timer.C:
		r.late.Store(true)
		return &observations{}, fmt.Errorf("%s: the callback took longer than %s; its values are missing", c.what, limit.Round(time.Millisecond))
	}
}

// wait waits until r ends and returns true. It returns false when expired, or as soon as
// r has taken longer than [maxCallback].
func (r *callbackRun) wait(expired <-chan time.Time) bool {
	select {
	case <-r.done:
		return true
	case <-expired:
	case <-time.After(maxCallback - time.Since(r.began)):
	}
	return false
}

// call runs f in its own goroutine.
func (c *callback) call(ctx context.Context, f func(context.Context, *observations) error, r *callbackRun) {
	r.err = errors.New("the callback ended its goroutine")
	returned := false
	defer func() {
		if p := recover(); p != nil {
			r.err = fmt.Errorf("the callback panicked: %v", p)
		}
		if !returned {
			r.made = &observations{} // they may be incomplete
		}
		c.current.Store(nil)
		<-c.slot
		close(r.done)
	}()
	r.err = f(ctx, r.made)
	returned = true
}

// observations has the values that a callback observed. The SDK gets them only if
// the callback returns in time.
type observations struct {
	ints   []observation[int64]
	floats []observation[float64]
}

type observation[N int64 | float64] struct {
	instrument metric.Observable
	value      N
	options    []metric.ObserveOption
}

func (o *observations) addInt(i metric.Observable, v int64, opts []metric.ObserveOption) {
	o.ints = append(o.ints, observation[int64]{i, v, opts})
}

func (o *observations) addFloat(i metric.Observable, v float64, opts []metric.ObserveOption) {
	o.floats = append(o.floats, observation[float64]{i, v, opts})
}

// int64Observer and float64Observer collect the observations of a callback of one
// instrument.
type int64Observer struct {
	embedded.Int64Observer
	to *observations
}

func (o int64Observer) Observe(v int64, opts ...metric.ObserveOption) { o.to.addInt(nil, v, opts) }

type float64Observer struct {
	embedded.Float64Observer
	to *observations
}

func (o float64Observer) Observe(v float64, opts ...metric.ObserveOption) {
	o.to.addFloat(nil, v, opts)
}

// observer collects the observations of a callback of several instruments.
type observer struct {
	embedded.Observer
	to *observations
}

func (o observer) ObserveInt64(i metric.Int64Observable, v int64, opts ...metric.ObserveOption) {
	o.to.addInt(i, v, opts)
}

func (o observer) ObserveFloat64(i metric.Float64Observable, v float64, opts ...metric.ObserveOption) {
	o.to.addFloat(i, v, opts)
}

// domain says which values an instrument can have.
type domain uint8

const (
	anyValue    domain = iota
	notNaN             // an up-down counter
	notNegative        // a counter: neither negative values nor NaN
)

func valid[N int64 | float64](v N, in domain) bool {
	return in == anyValue || v >= 0 || in == notNaN && v < 0
}
