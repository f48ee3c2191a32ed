package runtime

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// exchange is one request on its way through the runtime: the ResponseWriter
// that every stage writes to, and what has to be known when it is over.
//
// It is allocated per request and never pooled: code that wrongly keeps its
// ResponseWriter must not reach another client's answer.
type exchange struct {
	http.ResponseWriter
	rt       *Runtime
	request  *http.Request
	endpoint *endpoint
	start    time.Time
	// inline says that the writer below is net/http's own, on HTTP/1: the
	// function may run on the connection's goroutine, because a 504 can be
	// written past it.
	inline bool
	api    *api // that runs inline
	ctx    deadlineCtx

	logs  bool       // the access log is on
	among *answering // nil: it is off, or the server is somebody else's

	// out guards what is known of the answer where drain may read it, see lock. It
	// is held while a part of it is written, which the closing of the connection
	// ends.
	out    sync.Mutex
	unsent bool   // the server closed the connection before it began, see [Runtime.drain]
	cut    bool   // or before it ended
	logged bool   // in the access log
	status int    // as counted; 0 until the header is written
	kind   string // its Content-Type
	id     string // its request's
	bytes  int64

	mu       sync.Mutex
	decided  bool // somebody answers: the handler or the deadline
	overdue  bool // it was the deadline, and the function still runs
	returned bool // the chain did, instead of panicking or ending its goroutine
	finished bool
}

// WriteHeader notes the status. A client that has hung up by then never sees
// it, and is counted as metrics.client_closed says.
func (x *exchange) WriteHeader(status int) {
	x.lock()
	defer x.unlock()
	if status < 100 || status > 199 || status == http.StatusSwitchingProtocols {
		x.begin(status)
	}
	x.ResponseWriter.WriteHeader(status)
}

// begin notes the head of the answer, of which the first counts. out is locked.
func (x *exchange) begin(status int) {
	if x.status != 0 {
		return
	}
	x.status = status
	if x.unsent = x.rt.cutting.Load(); x.logs && !x.unsent {
		header := x.Header()
		x.kind, x.id = header.Get("Content-Type"), requestID(header)
	}
	if x.request.Context().Err() == context.Canceled {
		x.rt.disconnected()
		x.status = x.rt.cfg().Metrics.ClientClosed
	}
}

func (x *exchange) Write(p []byte) (int, error) {
	x.lock()
	defer x.unlock()
	x.begin(http.StatusOK)
	n, err := x.ResponseWriter.Write(p)
	if !x.unsent {
		x.bytes += int64(n)
	}
	return n, err
}

// Unwrap lets http.ResponseController reach the writer below.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// Flush sends what is buffered, for middleware that asks for an http.Flusher.
func (x *exchange) Flush() { _ = http.NewResponseController(x.ResponseWriter).Flush() }

// end is deferred around the whole chain: it turns a panic into a 500, and
// counts and logs the request, once.
func (x *exchange) end() {
	switch p := recover(); {
	case p == http.ErrAbortHandler: //nolint:errorlint // net/http compares it like this
		x.finish()
		panic(p) //nolint:forbidigo // net/http's own way to cut a connection
	case p != nil:
		x.rt.logPanic(x, p, debug.Stack())
		if x.status == 0 {
			writeError(x, &Error{Status: http.StatusInternalServerError, Message: maskedMessage})
		} else {
			x.failed()
		}
	case !x.returned && !x.finished:
		x.exited()
	}
	x.finish()
}

// exited answers for code that ended its goroutine, as a test's FailNow does:
// net/http sends nothing any more by itself.
func (x *exchange) exited() {
	if x.status == 0 {
		x.rt.logFailed(x.request.Context(), x.Header(), []slog.Attr{slog.String("path", x.request.URL.Path), slog.Any("error", errNoResult)})
		x.Header()["Connection"] = []string{"close"} // which net/http is about to do
		writeError(x, &Error{Status: http.StatusInternalServerError, Message: maskedMessage})
	}
	x.failed()
	x.finish() // first, so that who has the answer finds it counted
	x.Flush()
	_, _ = io.CopyN(io.Discard, x.request.Body, mostUnread)
}

// failed has a request counted as the failure that its client no longer sees.
func (x *exchange) failed() {
	x.lock()
	defer x.unlock()
	x.status = http.StatusInternalServerError
}

// mostUnread is how much of a body is read before its connection is closed: what
// is unread then resets it, and the answer may be lost. It is net/http's limit.
const mostUnread = 256 << 10

func (x *exchange) finish() {
	if x.finished {
		return
	}
	x.finished = true
	x.lock()
	x.begin(http.StatusOK) // what net/http sends for a handler that writes nothing
	x.unlock()
	took := time.Since(x.start)
	x.endpoint.end(x.request.Context(), x.status, took)
	if x.endpoint != nil && x.endpoint.http != nil {
		x.endpoint.http.record(x.request, x.status, took)
	}
	if x.rt.tracer != nil {
		spanError(x.request.Context(), x.status)
	}
	x.log(took)
	x.among.remove(x)
}

// decide claims the answer for the function that has ended. false means that
// the deadline has answered: the exchange must not be written to any more.
func (x *exchange) decide() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.decided {
		return false
	}
	x.decided = true
	return true
}

// expire answers 504 from the timer's goroutine, while the function still runs
// on the connection's. The connection cannot be used again before it ends, so
// the client is told to let go of it.
func (x *exchange) expire() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.decided {
		return
	}
	x.decided, x.overdue = true, true
	x.rt.overdue(1)
	x.Header()["Connection"] = []string{"close"}
	control := http.NewResponseController(x.ResponseWriter)
	// A client that never reads would hold the lock, and so the slot.
	_ = control.SetWriteDeadline(time.Now().Add(expireWrite))
	x.api.answer(x.ctx.parent, x, nil, x.api.timeoutError(x.ctx.deadline.Sub(x.start)))
	_ = control.Flush()
	// A body that never comes would hold the slot for ever.
	_ = control.SetReadDeadline(time.Now())
	x.finish()
}

// expireWrite bounds the writing of a 504: it fits any socket's buffer.
const expireWrite = 5 * time.Second
