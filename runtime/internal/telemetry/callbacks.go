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
	what string        // names the callback in errors
	slot chan struct{} // holds a value while the callback runs
	late atomic.Bool   // the collection that started the run no longer waits for it
}

func newCallback(kind, name string) *callback {
	return &callback{what: fmt.Sprintf("%s %q", kind, name), slot: make(chan struct{}, 1)}
}

// run calls f and returns its observations. If f is late, it returns none, because f
// may still be writing. If another reader's collection runs the callback, run first
// waits for it, unless that run is late.
func (c *callback) run(ctx context.Context, f func(context.Context, *observations) error) (*observations, error) {
	limit := maxCallback
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)*3/4)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	if !c.acquire(timer.C) {
		return &observations{}, fmt.Errorf("%s: %w", c.what, errCallbackRuns)
	}
	made := &observations{}
	done := make(chan error, 1)
	go c.call(ctx, f, made, done)
	select {
	case err := <-done:
		if err != nil {
			return made, fmt.Errorf("%s: %w", c.what, err)
		}
		return made, nil
	case <-timer.C:
		c.late.Store(true)
		if len(c.slot) == 0 { // the run has just ended
			c.late.Store(false)
		}
		return &observations{}, fmt.Errorf("%s: the callback took longer than %s; its values are missing", c.what, limit.Round(time.Millisecond))
	}
}

// acquire waits for the slot until expired. If the run that has the slot is late, it
// does not wait.
func (c *callback) acquire(expired <-chan time.Time) bool {
	if c.late.Load() {
		return false
	}
	select {
	case c.slot <- struct{}{}:
		return true
	case <-expired:
		return false
	}
}

// call runs f in its own goroutine.
func (c *callback) call(ctx context.Context, f func(context.Context, *observations) error, made *observations, done chan<- error) {
	err := errors.New("the callback ended its goroutine")
	returned := false
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the callback panicked: %v", p)
		}
		if !returned {
			*made = observations{} // they may be incomplete
		}
		<-c.slot
		c.late.Store(false)
		done <- err
	}()
	err = f(ctx, made)
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
