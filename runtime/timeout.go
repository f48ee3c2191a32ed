package runtime

import (
	"fmt"
	"log/slog"
	"maps"
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
	if !a.acquire() {
		a.respond(w, x, nil, errTooManyRequests)
		return
	}
	c := &x.call
	if c.api != nil { // middleware calls the API again
		c = &call{}
	}
	c.api, c.x, c.w, c.r = a, x, w, r
	c.ctx.start(c, a.longest())
	x.open()
	if _, limited := c.ctx.Deadline(); limited && !x.inline {
		c.detached()
	} else {
		c.inline(limited)
	}
}

// call is one run of an API's function for a request. w is the writer that the
// API was given, which middleware may have put around x.
type call struct {
	api *api
	x   *exchange
	w   http.ResponseWriter
	r   *http.Request
	ctx functionContext
}

// inline runs the function here, with a timer that responds past it.
func (c *call) inline(limited bool) {
	s := scratches.Get().(*scratch)
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
		if c.x.claim() {
			c.api.respond(c.w, c.x, s, err)
			return
		}
		c.returnedLate(err)
	}()
	err = c.work(s)
}

// detached runs the function on a goroutine of its own and returns at the
// deadline.
func (c *call) detached() {
	s := scratches.Get().(*scratch)
	done := make(chan error, 1)
	go func() {
		err := errNoResult // if the function ends this goroutine
		defer func() {
			c.ctx.end()
			if c.x.claim() {
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
		c.api.respond(c.w, c.x, s, err)
		s.put()
	case <-timer.C:
		if !c.x.claimLate() {
			c.api.respond(c.w, c.x, s, <-done)
			s.put()
			return
		}
		defer c.x.late()
		c.api.service.app.telemetry.Counts.Overdue.Add(1)
		c.api.respond(c.w, c.x, nil, c.api.timeoutError(c.ctx.limit))
	}
}

// expire responds 504 from the timer's goroutine, while the function runs. It
// writes through the middleware, whose own goroutine waits for the function.
func (c *call) expire() {
	x := c.x
	if !x.claimLate() {
		return
	}
	defer x.late()
	c.api.service.app.telemetry.Counts.Overdue.Add(1)
	defer func() {
		if p := recover(); p != nil { // of middleware's writer
			x.panicked(p, debug.Stack())
		}
		x.finish()
	}()
	control := http.NewResponseController(x.ResponseWriter)
	// A client that never reads would hold the lock, and so the slot.
	_ = control.SetWriteDeadline(time.Now().Add(expireWrite))
	err := c.api.timeoutError(c.ctx.limit)
	c.w.Header()["Connection"] = []string{"close"} // the function still has the connection
	c.api.respond(c.w, x, nil, err)
	if !x.begun() { // middleware holds the response back
		x.Header()["Connection"] = []string{"close"}
		c.api.respond(x, x, nil, err)
	}
	if flusher, ok := c.w.(http.Flusher); ok {
		flusher.Flush()
	}
	_ = x.FlushError()
	c.ctx.expired()
	// A body that never comes would hold the slot for ever.
	_ = control.SetReadDeadline(time.Now())
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

// open lets the function, or its timeout, respond. The timeout responds with the
// header as it is now: the function may change it meanwhile.
func (x *exchange) open() {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.out.state == claimed { // middleware calls the API again
		x.out.state = open
		x.response.reopen()
	}
	if len(x.header) > 0 {
		x.before = x.header.Clone()
	}
}

// claim lets the function respond that has ended. False: the timeout did. Then
// its response is written when claim returns.
func (x *exchange) claim() bool {
	x.out.mu.Lock()
	late := x.out.late
	if late == nil {
		x.out.state = max(x.out.state, claimed)
		x.out.mu.Unlock()
		return true
	}
	x.out.mu.Unlock()
	<-late
	return false
}

// claimLate lets the timeout respond, unless the function does. From now on the
// function cannot change the response.
func (x *exchange) claimLate() bool {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.out.state != open {
		return false
	}
	x.out.state, x.out.late = claimed, make(chan struct{})
	if x.header != nil {
		x.header = http.Header{}
		maps.Copy(x.header, x.before)
	}
	x.response.close()
	return true
}

// late notes that the response of the timeout is written.
func (x *exchange) late() { close(x.out.late) }

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

var scratches = sync.Pool{New: func() any { return &scratch{} }}
