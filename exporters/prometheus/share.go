package prometheus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
)

// variant is a form of the response: scrapes of the same variant share the encoded
// bytes, and scrapes of different variants only the collection.
type variant struct {
	format format
	gzip   bool
}

// round is one collection and the scrapes that share it.
type round struct {
	waiting  map[variant]int    // scrapes of each variant
	total    int                // scrapes of all variants
	within   time.Duration      // the longest time of the scrapes for the collection
	deadline time.Time          // of the collection; see [scrape]
	stop     context.CancelFunc // nil before the collection begins
	joinable bool               // a new scrape may still join
	late     bool               // a scrape left because it had waited too long

	done   chan struct{} // closed when err and bodies are final
	ended  bool          // done is closed
	err    error
	bodies map[variant]*body // of the variants that had a scrape
}

// scrape is one request for a response.
type scrape struct {
	variant variant
	// within is how long the collection should take at most, from now on. If a callback
	// watches its context, time is left to respond without its metric.
	within time.Duration
}

// sharing lets one collection serve all scrapes that arrive before it ends.
//
// At most one round runs at a time. A scrape joins the round while it collects, unless
// it has more time for the collection than each scrape of the round: a slow callback may
// be left out for those. Otherwise it waits for the next round, which begins when the
// running one has encoded its responses. So a scrape never gets values from before its
// arrival, except those of the collection that it joined. A round begins only if a
// scrape waits for it, and its context ends when the last waiting scrape has left.
type sharing struct {
	render func(ctx context.Context, claim func() []variant) (map[variant]*body, error)

	mu      sync.Mutex
	running *round      // nil: none
	next    *round      // for the scrapes that cannot join running; nil: none wait
	closed  bool        // shut down: no further scrape is served
	timer   *time.Timer // calls begin again when a body may be cut off
	store   store
}

var (
	errShutdown = fmt.Errorf("exporters/prometheus: collect: %w", metric.ErrReaderShutdown)
	errExit     = errors.New("exporters/prometheus: collect: a metric callback ended its goroutine")
)

// errLate is the cause of the end of a scrape's context when the client's timeout is
// near.
var errLate = errors.New("the scrape waited too long")

// get returns the response to one scrape. The caller must release it.
func (s *sharing) get(ctx context.Context, one scrape) (*body, error) {
	r, err := s.join(one)
	if err != nil {
		return nil, err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.ended {
		return r.bodies[one.variant], r.err
	}
	return nil, s.leave(ctx, r, one.variant)
}

// join adds a scrape to the running round or to the next one, which it begins if it can.
func (s *sharing) join(one scrape) (*round, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errShutdown
	}
	r := s.running
	if r == nil || !r.joinable || one.within > r.within {
		if s.next == nil {
			s.next = &round{waiting: map[variant]int{}, done: make(chan struct{}), joinable: true}
		}
		r = s.next
	}
	r.waiting[one.variant]++
	r.total++
	r.within = max(r.within, one.within)
	if by := time.Now().Add(one.within); by.After(r.deadline) {
		r.deadline = by
	}
	s.begin()
	return r, nil
}

// leave removes a scrape from a round that has not ended, and returns the reason.
func (s *sharing) leave(ctx context.Context, r *round, v variant) error {
	r.waiting[v]--
	r.total--
	err := s.reason(ctx, r)
	if r.total > 0 {
		return err
	}
	r.joinable = false
	if r.stop != nil {
		r.stop()
	}
	if r == s.next {
		s.next = nil
	}
	return err
}

// Errors of a scrape that waited too long.
var (
	errNotFinished = fmt.Errorf("%w: the collection did not finish; a metric callback or the provider is slow or hangs", errLate)
	errNotBegun    = fmt.Errorf("%w: an earlier collection still runs; a metric callback or the provider is slow or hangs", errLate)
	errUnread      = fmt.Errorf("%w: clients hold too many responses that they have not read", errLate)
)

// lateError is the error of a scrape that waited too long. first marks the first one of
// a round, so that ScrapeErrors counts the round once.
type lateError struct {
	error
	first bool
}

func (e lateError) Unwrap() error { return e.error }

// reason returns why a scrape leaves r: its client is gone, or it has waited too long. In
// the latter case the error says for what.
func (s *sharing) reason(ctx context.Context, r *round) error {
	if !errors.Is(context.Cause(ctx), errLate) {
		return ctx.Err()
	}
	err := lateError{errNotFinished, !r.late}
	r.late = true
	if r == s.next {
		err.error = errNotBegun
		if s.running == nil {
			err.error = errUnread
		}
	}
	return err
}

// begin starts the next round if a scrape waits for it, no other round runs,
// and there is room for its responses. Otherwise it does nothing.
func (s *sharing) begin() {
	if s.running != nil || s.next == nil {
		return
	}
	if wait := s.store.room(); wait > 0 {
		if s.timer == nil {
			s.timer = time.AfterFunc(wait, s.retry)
		} else {
			s.timer.Reset(wait)
		}
		return
	}
	r := s.next
	s.running, s.next = r, nil
	ctx, cancel := context.WithDeadline(context.Background(), r.deadline)
	r.stop = cancel
	go s.run(ctx, r)
}

// retry is called by the timer of begin.
func (s *sharing) retry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
}

// run renders r. The scrapes get their result even if a callback ends the
// goroutine with runtime.Goexit.
func (s *sharing) run(ctx context.Context, r *round) {
	var bodies map[variant]*body
	err := errExit
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.end(r, bodies, err)
		r.stop()
		s.running = nil
		s.begin()
	}()
	bodies, err = s.render(ctx, func() []variant { return s.claim(r) })
}

// claim closes r to new scrapes and returns the variants that it must render.
func (s *sharing) claim(r *round) []variant {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.joinable = false
	var wanted []variant
	for v, n := range r.waiting {
		if n > 0 {
			wanted = append(wanted, v)
		}
	}
	return wanted
}

// end makes the result of r final. Only the first call has an effect.
func (s *sharing) end(r *round, bodies map[variant]*body, err error) {
	if !r.ended {
		r.ended, r.err, r.bodies = true, err, bodies
		close(r.done)
	}
	s.store.keepFor(bodies)
	for v, b := range bodies {
		s.store.add(b, r.waiting[v])
	}
}

// release ends one reader's use of b.
func (s *sharing) release(b *body) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store.release(b)
	s.begin()
}

// close makes all waiting scrapes return, and cancels the running collection. It does
// not wait for a callback that ignores its context.
func (s *sharing) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	for _, r := range []*round{s.running, s.next} {
		if r == nil || r.ended {
			continue
		}
		clear(r.waiting)
		s.end(r, nil, errShutdown)
		if r.stop != nil {
			r.stop()
		}
	}
	s.next = nil
}
