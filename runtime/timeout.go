package runtime

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// The 504 is sent at the deadline, even if the function ignores its context. There
// are two ways to run a function (docs/decisions/0002). Inline, it runs on the
// connection's goroutine, and a timer writes the 504 while it runs. That needs a
// writer that can flush while its handler runs: HTTP/1. Otherwise it runs detached,
// in its own goroutine, and the handler returns at the deadline.

// inline runs the function on this goroutine. A timer sends the 504 while it runs.
func (c *call) inline(limited bool) {
	s := c.api.service.app.scratches.get()
	defer s.put()
	if limited {
		s.alarm.Watch(c, c.ctx.deadline)
	}
	err := errNoResult // stays if the function calls runtime.Goexit
	defer func() {
		c.ctx.end()
		if limited {
			s.alarm.Done()
		}
		if c.claim() {
			c.respond(s, err)
			return
		}
		c.returnedLate(err)
	}()
	err = c.work(s)
}

// detached runs the function in its own goroutine and returns at the deadline.
func (c *call) detached() {
	s := c.api.service.app.scratches.get()
	done := make(chan error, 1)
	go func() {
		err := errNoResult // stays if the function calls runtime.Goexit
		defer func() {
			c.ctx.end()
			if c.claim() {
				done <- err
				return
			}
			c.returnedLate(err)
			s.put()
		}()
		err = c.work(s)
	}()
	timer := time.NewTimer(time.Until(c.ctx.deadline))
	defer timer.Stop()
	select {
	case err := <-done:
		defer s.put() // also if middleware's writer panics
		c.respond(s, err)
	case <-timer.C:
		if !c.claimLate() {
			err := <-done
			defer s.put()
			c.respond(s, err)
			return
		}
		defer close(c.late)
		c.api.service.app.telemetry.Counts.Overdue.Add(1)
		c.ctx.expired()
		c.respond(nil, c.timedOut(c.ctx.limit))
	}
}

// Expire sends the 504 from the timer's goroutine, while the function runs. It
// writes through the middleware, whose goroutine waits for the function. The
// exchange does not end before c.late is closed.
func (c *call) Expire() {
	if !c.claimLate() {
		return
	}
	defer close(c.late)
	c.ctx.expired()
	c.api.service.app.telemetry.Counts.Overdue.Add(1)
	c.sendTimeout(c.timedOut(c.ctx.limit))
}

// sendTimeout sends the 504, which the timeout has claimed, through the middleware.
func (c *call) sendTimeout(err *Error) {
	body, _ := err.body()
	if c.x.write504(body, func() { c.respondSafely(err) }) {
		c.sentTimeout()
	}
}

// sentTimeout ends a request whose 504 was written.
func (c *call) sentTimeout() {
	x := c.x
	x.finish() // before Flush: the request is counted when the client has the response
	control := http.NewResponseController(x.ResponseWriter)
	_ = control.Flush()
	x.from.conn.Responded()
	// A body that never comes would hold the slot for ever.
	_ = control.SetReadDeadline(time.Now())
}

// respondSafely responds and recovers a panic of middleware's writer.
func (c *call) respondSafely(err error) {
	defer func() {
		if p := recover(); p != nil {
			c.x.panicked(p, debug.Stack())
		}
	}()
	c.respond(nil, err)
}

// returnedLate logs the error of a function that returned after its 504, unless
// it is only the timeout.
func (c *call) returnedLate(err error) {
	c.api.service.app.telemetry.Counts.Overdue.Add(-1)
	if err == nil || isTimeout(err) {
		return
	}
	level := slog.LevelWarn
	if response, masked := responseTo(err); masked && response.Status == http.StatusInternalServerError {
		level = slog.LevelError
	}
	c.log(level, fmt.Errorf("after its timeout: %w", err))
}
