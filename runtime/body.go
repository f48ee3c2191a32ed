package runtime

import (
	"bytes"
	"runtime/debug"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/alarm"
	"github.com/ekiben-serving/ekiben/runtime/internal/body"
)

// scratch has the buffers and the timer of a request, which later requests use
// again. User code never sees it.
type scratch struct {
	body         body.Reader
	out          bytes.Buffer
	file         *File        // the result, if it is a file
	contentType  string       // of the result; "": that of the API
	serverTiming string       // the header Server-Timing; "": not sent
	alarm        *alarm.Alarm // apart, because its timer runs on and must not hold the buffers
	pool         *scratches
}

// maxKept bounds the buffers that the pool keeps, in bytes: one request of 100 MB
// must not hold that memory for ever.
const maxKept = 1 << 20

func (s *scratch) put() {
	s.close()
	s.serverTiming, s.contentType = "", ""
	if s.body.Cap() > maxKept || s.out.Cap() > maxKept {
		return
	}
	s.body.Reset()
	s.out.Reset()
	s.pool.pool.Put(s)
}

// close removes the files of the request and closes the one that was sent.
func (s *scratch) close() {
	for _, file := range s.body.Files {
		_ = file.Close() // it has no name, or the system's cleaner finds it
	}
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
	}
	s.body.Files = nil
}

// work reads the body, runs the function, and always releases the slot. A panic
// becomes an error.
func (c *call) work(s *scratch) (err error) {
	defer c.api.release()
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
	err = c.api.codec.serve(c, s)
	if isDeadline(err) && isDeadline(c.ctx.Err()) {
		return c.timedOut(c.ctx.limit) // the function noticed its deadline before the timer
	}
	return err
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

// readBody reads the whole body, or returns why it is refused.
func (c *call) readBody(s *scratch) error {
	accepts := c.api.codec.accepts()
	if accepts.Whole || accepts.IsFile != nil {
		accepts.Spool = c.api.service.app.spool()
	}
	whole, refused := s.body.ReadAll(c.r, c.api.service.app.conf.Now().HTTP.MaxBodySize, accepts)
	c.x.bodyRead.Store(whole)
	if refused != nil {
		return &Error{Status: refused.Status, Message: refused.Message, Err: refused.Err, unread: refused.Unread}
	}
	return nil
}
