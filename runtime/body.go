package runtime

import (
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/slow"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// readBody reads the whole body, or returns why it is refused.
func (c *call) readBody(s *scratch) error {
	accepts := c.codec().accepts()
	if accepts.Whole || accepts.IsFile != nil {
		accepts.Spool = c.api.service.app.spool()
	}
	most := int64(0)
	if c.task == "" { // the body of a task was accepted when it was submitted
		accepts.Budget = &c.api.service.app.bodies
		most = c.api.service.app.conf.Now().HTTP.MaxBodySize
	}
	if watch := c.x.watch; watch != nil && c.x.readsAtOnce() {
		watch.Continue(slow.Body)
		defer watch.End(slow.Body)
	}
	if c.x.rpc != nil {
		if message := c.x.rpc.message.Swap(nil); message != nil { // the run holds it as long as the body
			defer s.body.Adopt(message)
		}
	}
	whole, refused := s.body.ReadAll(c.r, most, accepts)
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
