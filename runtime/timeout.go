package runtime

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/static"
)

// The 504 leaves at the deadline, whether the function heeds its context or not.
// Inline, the function runs on the connection's goroutine, and a timer writes the
// response past it. That needs a writer that can flush while its handler runs:
// HTTP/1. Elsewhere the function runs detached, on a goroutine of its own, and
// the handler returns at the deadline (docs/decisions/0002).

// ServeHTTP is the innermost stage: method, limit, timeout, and the function.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		static.MethodNotAllowed(w, http.MethodPost)
		return
	}
	x := a.service.app.exchangeOf(w, r)
	c := &x.call
	if c.api != nil { // middleware calls the API again
		c = &call{}
	}
	c.api, c.x, c.w, c.r = a, x, w, r
	if !a.acquire() {
		c.respond(nil, errTooManyRequests)
		return
	}
	c.ctx.start(c, a.longest())
	c.before = x.middlewareHeader()
	if _, limited := c.ctx.Deadline(); limited && !x.inline {
		c.detached()
	} else {
		c.inline(limited)
	}
}

// call is one run of an API's function for a request. w is the writer that the
// API was given, which middleware may have put around x.
type call struct {
	api      *api
	x        *exchange
	w        http.ResponseWriter
	r        *http.Request
	ctx      functionContext
	before   http.Header // of middleware, when the function began
	response Response    // what the function sets

	// The lock of x.out guards these.
	claimed bool          // it is decided who responds
	late    chan struct{} // closed when the 504 is written; nil: no timeout
}

type callKey struct{}

// inline runs the function here, with a timer that responds past it.
func (c *call) inline(limited bool) {
	s := c.api.service.app.scratches.get()
	defer s.put()
	if limited {
		s.arm(c, time.Until(c.ctx.deadline))
	}
	err := errNoResult // if the function ends its goroutine
	defer func() {
		c.ctx.end()
		if limited {
			s.disarm()
		}
		if c.claim() {
			c.respond(s, err)
			return
		}
		c.returnedLate(err)
	}()
	err = c.work(s)
}

// detached runs the function on a goroutine of its own and returns at the
// deadline.
func (c *call) detached() {
	s := c.api.service.app.scratches.get()
	done := make(chan error, 1)
	go func() {
		err := errNoResult // if the function ends this goroutine
		defer func() {
			c.ctx.end()
			if c.claim() {
				done <- err
				return
			}
			c.returnedLate(err)
		}()
		err = c.work(s)
	}()
	timer := time.NewTimer(time.Until(c.ctx.deadline))
	defer timer.Stop()
	select {
	case err := <-done:
		c.respond(s, err)
		s.put()
	case <-timer.C:
		if !c.claimLate() {
			c.respond(s, <-done)
			s.put()
			return
		}
		defer close(c.late)
		c.api.service.app.telemetry.Counts.Overdue.Add(1)
		c.ctx.expired()
		c.respond(nil, c.api.timeoutError(c.ctx.limit))
	}
}

// expire responds 504 from the timer's goroutine, while the function runs. It
// writes through the middleware, whose own goroutine waits for the function; the
// exchange does not end before c.late is closed.
func (c *call) expire() {
	if !c.claimLate() {
		return
	}
	defer close(c.late)
	c.ctx.expired()
	x := c.x
	c.api.service.app.telemetry.Counts.Overdue.Add(1)
	control := http.NewResponseController(x.ResponseWriter)
	// A client that never reads would hold the lock, and so the slot.
	_ = control.SetWriteDeadline(time.Now().Add(expireWrite))
	err := c.api.timeoutError(c.ctx.limit)
	if !x.writeTimeout(err.body(), func() { c.respondSafely(err) }) {
		_ = control.SetWriteDeadline(time.Time{})
		return
	}
	x.finish() // before it is flushed, so that a client with the response finds it counted
	_ = control.Flush()
	// A body that never comes would hold the slot for ever.
	_ = control.SetReadDeadline(time.Now())
}

// respondSafely responds through middleware whose writer may panic.
func (c *call) respondSafely(err error) {
	defer func() {
		if p := recover(); p != nil {
			c.x.panicked(p, debug.Stack())
		}
	}()
	c.respond(nil, err)
}

// expireWrite bounds the write of a 504, which fits into any socket's buffer.
const expireWrite = 5 * time.Second

// returnedLate logs the error of a function that returned after its 504, unless
// it is only the timeout.
func (c *call) returnedLate(err error) {
	c.api.service.app.telemetry.Counts.Overdue.Add(-1)
	if err != nil && !isTimeout(err) {
		c.api.log(c.x, slog.LevelError, fmt.Errorf("after its timeout: %w", err))
	}
}

// claim reports whether the function may respond. If not, the timeout did, and its
// response is written when claim returns.
func (c *call) claim() bool {
	c.x.out.mu.Lock()
	c.claimed = true
	late := c.late
	c.x.out.mu.Unlock()
	if late != nil {
		<-late
	}
	return late == nil
}

// claimLate lets the timeout respond, unless the function does, or middleware has
// begun the response: then the function is waited for. From now on the
// function cannot change the response: neither its Response, nor the header that
// middleware may have handed it.
func (c *call) claimLate() bool {
	x := c.x
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if c.claimed || x.out.finished || x.out.settled || x.out.status != 0 {
		return false
	}
	c.claimed, c.late = true, make(chan struct{})
	if x.inline {
		x.out.expiring = c.late
	}
	x.header = c.before
	c.response.close()
	return true
}

// alarm is a timer that is used again, unless it has gone off: its goroutine may
// still be on its way, and must not find the next request.
type alarm struct {
	timer *time.Timer
	call  *call
}

func (s *scratch) arm(c *call, after time.Duration) {
	if s.alarm == nil {
		a := &alarm{call: c}
		a.timer = time.AfterFunc(after, func() { a.call.expire() })
		s.alarm = a
		return
	}
	s.alarm.call = c
	s.alarm.timer.Reset(after)
}

func (s *scratch) disarm() {
	if !s.alarm.timer.Stop() {
		s.alarm = nil
		return
	}
	s.alarm.call = nil
}

// scratches is a pool of scratch. Each app has its own: a timer of another app may
// have another clock, in a test that fakes the time.
type scratches struct{ pool sync.Pool }

func (p *scratches) get() *scratch {
	if s, ok := p.pool.Get().(*scratch); ok {
		return s
	}
	return &scratch{pool: p}
}
