package runtime

import (
	"cmp"
	"errors"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/sse"
)

// errStreamEnded ends the loop over a function whose stream has ended.
var errStreamEnded = errors.New("the stream has ended")

// send sends a chunk. The first one begins the response.
func (st *stream) send(chunk []byte) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.ended {
		return errStreamEnded
	}
	if !st.begun.Load() {
		if err := timeoutCause(st.call.ctx.parent); err != nil { // see timeOut
			return err
		}
		if !st.call.claim() {
			return errStreamEnded
		}
		if err := st.begin(); err != nil {
			return err
		}
	}
	if st.silent {
		chunk = nil
	}
	now := time.Since(st.call.x.start)
	st.pace.Chunk(st.span, now)
	err := st.write(chunk, now, true)
	if err == nil {
		st.pace.Sent(len(chunk))
	}
	return err
}

// write writes and flushes data, and lets the handler's goroutine watch how long it
// takes. A client that does not read blocks it. st is locked.
func (st *stream) write(data []byte, now time.Duration, chunk bool) error {
	st.wrote.set(now, true)
	err := st.call.ctx.parent.Err() // cut ends the context, and then every write that is watched
	if err == nil {
		err = st.writeOut(data)
		st.slow = cmp.Or(st.slow, st.slowReader(err, now))
	}
	if chunk {
		st.sentNow()
	}
	st.wrote.set(now, false) // after last: the time since the last chunk is watched from now on
	return err
}

// sentNow begins the time to the next chunk.
func (st *stream) sentNow() {
	if st.limits.IdleTimeout > 0 { // else the clock need not be read
		st.last.set(time.Since(st.call.x.start))
	}
}

// writeOut is write without the watch. st is locked.
func (st *stream) writeOut(data []byte) error {
	if st.silent { // not even an empty Write: HTTP/2 refuses it
		return st.flush()
	}
	if x, direct := st.call.w.(*exchange); direct {
		return x.writeAndFlush(data)
	}
	_, err := st.call.w.Write(data)
	if err != nil {
		return err
	}
	return st.flush()
}

// sendHeartbeat sends a comment. If that fails, the connection is lost, which the next chunk
// notices too. A panic of middleware's writer ends the function's context, and then cuts
// the stream.
func (st *stream) sendHeartbeat() {
	st.mu.Lock()
	defer st.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			st.wrote.set(0, false)
			st.fault = &panicError{value: p, stack: debug.Stack()}
			st.cancel(st.fault)
		}
	}()
	if !st.ended && st.fault == nil {
		_ = st.write([]byte(sse.Heartbeat), time.Since(st.call.x.start), false)
	}
}

// begin sends the header, after which an error cannot be a response any more. If the
// function has set a status or header that is not allowed, it returns the error and sends
// nothing. st is locked.
func (st *stream) begin() error {
	c := st.call
	header := c.w.Header()
	status, err := c.prepare(header)
	if err != nil {
		return err
	}
	if c.api.stream.prompt {
		header["Cache-Control"], header["X-Accel-Buffering"] = []string{"no-cache"}, []string{"no"}
	}
	st.silent = !hasBody(status)
	c.w.WriteHeader(status)
	st.sentNow() // before begun: the first chunk is on its way
	st.begun.Store(true)
	return nil
}

// flush sends what was written. Middleware may hide Flush; if its writer holds
// nothing back, flushing below it is enough.
func (st *stream) flush() error {
	err := st.writer.Flush()
	if err != nil && passed(err) == nil && st.call.x.begun() {
		err = st.call.x.FlushError()
	}
	return passed(err)
}

// progress is what the handler's goroutine watches.
type progress struct {
	begun atomic.Bool // the response has begun
	wrote lastWrite
	last  elapsed // when the last chunk was sent
}

// elapsed is a time after the arrival of the request.
type elapsed struct{ atomic.Int64 }

func (e *elapsed) set(d time.Duration) { e.Store(int64(d)) }
func (e *elapsed) get() time.Duration  { return time.Duration(e.Load()) }

// lastWrite is when the last write began, and whether it still runs: one atomic, because
// two cost a chunk some percent more.
type lastWrite struct{ atomic.Int64 }

func (w *lastWrite) set(began time.Duration, runs bool) {
	bit := int64(0)
	if runs {
		bit = 1
	}
	w.Store(int64(began)<<1 | bit)
}

func (w *lastWrite) get() (began time.Duration, runs bool) {
	v := w.Load()
	return time.Duration(v >> 1), v&1 == 1
}
