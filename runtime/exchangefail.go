package runtime

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/ekiben-serving/ekiben/runtime/internal/accesslog"
)

// isAbort reports whether a panic's value is http.ErrAbortHandler, which cuts the response
// without a word in the log.
func isAbort(p any) bool {
	if from, ok := p.(*panicError); ok { // the function panicked in a goroutine of its own
		p = from.value
	}
	return p == http.ErrAbortHandler //nolint:errorlint // net/http compares it like this
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

// cutOff ends a response that cannot be completed: nothing more is sent, and end cuts
// the connection. The request is counted with the status that was sent; if the client has left, with
// that of counted.
func (x *exchange) cutOff(left bool) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.out.finished {
		return
	}
	if left {
		x.out.status = x.counted(x.out.status)
	}
	x.out.broken = true
}

// panicked logs a panic outside of an API's function.
func (x *exchange) panicked(value any, stack []byte) {
	x.app.log.failed(x.request.Context(), slog.LevelError, x.id[0], slog.String("path", accesslog.Sent(x.request.URL.Path)),
		slog.String("error", fmt.Sprintf("panic: %v", value)), slog.String("stack", string(stack)))
}
