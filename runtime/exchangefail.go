package runtime

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/ekiben-serving/ekiben/runtime/internal/accesslog"
)

// end is deferred around the handlers. It turns a panic into a 500, and counts and
// logs the request once.
func (x *exchange) end() {
	p := recover()
	x.settle()
	aborted := isAbort(p)
	switch {
	case aborted:
		x.breakOff(http.StatusInternalServerError)
	case p != nil:
		if from, ok := p.(*panicError); ok { // in another goroutine
			x.panicked(from.value, from.stack)
		} else {
			x.panicked(p, debug.Stack())
		}
		x.fail500()
	case !x.returned && x.out.hijacked:
		if !x.out.taken.socket { // else nothing could be sent, and it is no request
			x.fail500()
		}
	case !x.returned:
		x.exited()
	}
	if x.from.inline && !x.bodyRead.Load() && x.request.ContentLength != 0 && !x.out.hijacked {
		x.limitUnread()
	}
	if cut := x.finish(); cut || aborted {
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to cut a connection: a part of a response must not look like all of it
	}
}

// isAbort reports whether a panic's value is http.ErrAbortHandler, which cuts the response
// without a word in the log.
func isAbort(p any) bool {
	if from, ok := p.(*panicError); ok { // in another goroutine
		p = from.value
	}
	return p == http.ErrAbortHandler //nolint:errorlint // net/http compares it like this
}

// settle waits for a timeout that is responding, and prevents one from responding
// later: the server's writer must not be used after the handler has returned,
// which middleware may do while the function still runs.
func (x *exchange) settle() {
	x.out.mu.Lock()
	x.out.settled = true
	expiring := x.out.expiring
	x.out.mu.Unlock()
	if expiring != nil {
		<-expiring
	}
}

// fail500 responds 500, or breaks off a response that has begun.
func (x *exchange) fail500() {
	if x.begun() {
		x.breakOff(http.StatusInternalServerError)
		return
	}
	_ = writeError(x, &Error{Status: http.StatusInternalServerError, Message: maskedMessage})
}

// breakOff ends a response that failed after it had begun. Nothing more is sent, end
// closes the connection, and the request is counted with status. It does nothing
// after the request was counted.
func (x *exchange) breakOff(status int) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	switch {
	case x.out.finished:
		return
	case x.out.status == 0:
		x.begin(status)
	default:
		x.out.status = x.counted(status)
	}
	x.out.broken = true
}

// exited responds for a handler that called runtime.Goexit, as a test's FailNow
// does: net/http then sends no response.
func (x *exchange) exited() {
	if !x.begun() {
		x.app.log.failed(x.request.Context(), slog.LevelError, x.id[0], slog.String("path", accesslog.Sent(x.request.URL.Path)), slog.Any("error", errNoResult))
		x.Header()["Connection"] = []string{"close"} // net/http is about to close it
	}
	x.fail500()
	control := http.NewResponseController(x.ResponseWriter)
	x.finish() // before Flush: the request is counted when the client has the response
	_ = control.Flush()
	_, _ = io.CopyN(io.Discard, x.request.Body, mostUnread)
}

// panicked logs a panic outside of an API's function.
func (x *exchange) panicked(value any, stack []byte) {
	x.app.log.failed(x.request.Context(), slog.LevelError, x.id[0], slog.String("path", accesslog.Sent(x.request.URL.Path)),
		slog.String("error", fmt.Sprintf("panic: %v", value)), slog.String("stack", string(stack)))
}
