package runtime

import (
	"net/http"
	"runtime/debug"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/slots"
)

// call is one run of an API's function for a request. w is the API's writer; it is
// x, or a writer of middleware that wraps x.
type call struct {
	api        *api
	x          *exchange
	w          http.ResponseWriter
	r          *http.Request
	ctx        functionContext
	before     http.Header // the middleware's header when the function began
	response   Response    // what the function sets
	stream     *stream     // nil: the response is not a stream
	generation generation
	permit     slots.Permit
	task       string        // the id of the task that runs; "": a request
	asked      time.Duration // how long the caller waits, from the arrival of the request; 0: unknown

	// The lock of x.out guards these.
	claimed bool          // the function or the timeout has claimed the response
	late    chan struct{} // closed when the 504 is written; nil: no timeout
}

type callKey struct{}

// callOf returns the call of a request. If middleware calls a handler again, that is another call.
func (a *api) callOf(w http.ResponseWriter, r *http.Request) *call {
	x := a.service.app.exchangeOf(w, r)
	c := &x.call
	if c.api != nil {
		c = &call{}
	}
	c.api, c.x, c.w, c.r = a, x, w, r
	return c
}

// work reads the body, runs the function, and always releases the slot. A panic
// becomes an error.
func (c *call) work(s *scratch) (err error) {
	served := false
	defer func() {
		c.api.release(c.permit, served)
		if len(s.body.Files) > 0 {
			s.leaveFiles(c.x)
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			panicked := &panicError{value: p, stack: debug.Stack()}
			if c.stream != nil {
				panicked.after = c.stream.failure
			}
			err = panicked
		}
	}()
	if err := c.readBody(s); err != nil {
		if isDeadline(c.ctx.Err()) { // the deadline ended the read, see Expire
			return c.timedOut(c.ctx.limit)
		}
		return err
	}
	served = c.stream == nil // a stream lasts as long as its reader
	err = c.codec().serve(c, s)
	if isDeadline(err) && isDeadline(c.ctx.Err()) {
		return c.timedOut(c.ctx.limit) // the function noticed its deadline before the timer
	}
	return err
}

// claim reports whether the function may respond. If not, the timeout responds, and
// the 504 has been written when claim returns.
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

// isClaimed reports whether the function or the timeout has claimed the response.
func (c *call) isClaimed() bool {
	c.x.out.mu.Lock()
	defer c.x.out.mu.Unlock()
	return c.claimed
}

// claimLate claims the response for the timeout. It returns false if the function has
// claimed the response, or if middleware has begun it: the caller then waits for the
// function. After true, the function cannot change the response, neither by its
// Response nor by a header map that it got from middleware.
func (c *call) claimLate() bool {
	x := c.x
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if !c.unanswered() {
		return false
	}
	c.claimed, c.late = true, make(chan struct{})
	if x.from.inline {
		x.out.expiring = c.late
	}
	x.header = c.before
	c.response.close()
	return true
}

// unanswered reports whether the timeout may respond. The lock of x.out is held.
func (c *call) unanswered() bool {
	out := &c.x.out
	return !c.claimed && !out.finished && !out.settled && out.status == 0 && !out.hijacked
}

// timedOut returns the 504 of the call. If the body had not arrived, the function never
// began, and the log says so.
func (c *call) timedOut(limit time.Duration) *Error {
	err := c.api.timeoutError(limit)
	if !c.x.bodyRead.Load() {
		err.Err, err.unread = errBodyMissing, true
	}
	return err
}
