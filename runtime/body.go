package runtime

import (
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/slow"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// timedOut returns the 504 of the call. If the body had not arrived, the function never
// began, and the log says so.
func (c *call) timedOut(limit time.Duration) *Error {
	err := c.api.timeoutError(limit)
	if !c.x.bodyRead.Load() {
		err.Err, err.unread = errBodyMissing, true
	}
	return err
}

// readBody reads the whole body, or returns why it is refused.
func (c *call) readBody(s *scratch) error {
	accepts := c.api.codec.accepts()
	if accepts.Whole || accepts.IsFile != nil {
		accepts.Spool = c.api.service.app.spool()
	}
	accepts.Budget = &c.api.service.app.bodies
	if watch := c.x.watch; watch != nil && c.x.readsAtOnce() {
		watch.Continue(slow.Body)
		defer watch.End(slow.Body)
	}
	whole, refused := s.body.ReadAll(c.r, c.api.service.app.conf.Now().HTTP.MaxBodySize, accepts)
	c.x.bodyRead.Store(whole)
	if refused != nil && refused.NoRoom() {
		c.refused(telemetry.RefusedMemory)
		return unread(&Error{Status: refused.Status, Message: refused.Message, RetryAfter: time.Second, Err: refused.Err})
	}
	if refused != nil {
		return &Error{Status: refused.Status, Message: refused.Message, Err: refused.Err, unread: refused.Unread}
	}
	return nil
}
