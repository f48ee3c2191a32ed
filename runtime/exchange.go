package runtime

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/accesslog"
	"github.com/ekiben-serving/ekiben/runtime/internal/conns"
	"github.com/ekiben-serving/ekiben/runtime/internal/tracing"
)

// exchange is one request and its response: the ResponseWriter that every stage
// writes to, and what is known when the request ends.
//
// It is allocated for each request and never pooled: code that wrongly keeps its
// ResponseWriter must not reach the response of another client.
type exchange struct {
	http.ResponseWriter // the server's

	app      *App
	request  *http.Request
	match    match
	start    time.Time
	inline   bool
	returned bool // the handler returned, without a panic or Goexit
	inFlight *conns.InFlight
	header   http.Header // of middleware, see ownHeader; nil: the server's
	call     call
	out      outgoing
}

// outgoing is the response as it leaves. Its mutex guards all of it and is held
// during each write; closing the connection unblocks a write that is stuck.
type outgoing struct {
	mu          sync.Mutex
	finished    bool   // counted; what is still written is dropped
	timeout     []byte // the body of a 504, while it is written past its function
	status      int    // as counted; 0: nothing is written yet
	contentType string
	id          string // of the request
	bytes       int64
	logs        bool // the access log is on
	logged      bool
	unsent, cut bool // drain closed the connection before it began, or before it ended
}

// exchangeOf returns the exchange that a request belongs to.
func (a *App) exchangeOf(w http.ResponseWriter, r *http.Request) *exchange {
	if x, ok := w.(*exchange); ok {
		return x
	}
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	// Middleware replaced the context: the request is measured, but its function
	// runs detached.
	return &exchange{ResponseWriter: w, app: a, request: r, match: match{route: a.chain.routes.unmatched}, start: time.Now()}
}

type exchangeKey struct{}

// end is deferred around the handlers: it makes a 500 of a panic, and counts and
// logs the request, once.
func (x *exchange) end() {
	switch p := recover(); {
	case p == http.ErrAbortHandler: //nolint:errorlint // net/http compares it like this
		x.finish()
		panic(p) //nolint:forbidigo // net/http's own way to cut a connection
	case p != nil:
		x.panicked(p, debug.Stack())
		x.fail500()
	case !x.returned:
		x.exited()
	}
	x.finish()
}

// fail500 responds 500, or counts the request as a 500 if it has begun to
// respond.
func (x *exchange) fail500() {
	if !x.begun() {
		writeError(x, &Error{Status: http.StatusInternalServerError, Message: maskedMessage})
		return
	}
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	x.out.status = http.StatusInternalServerError
}

// exited responds for a handler that ended its goroutine, as a test's FailNow
// does: net/http sends nothing any more by itself.
func (x *exchange) exited() {
	if !x.begun() {
		x.app.log.failed(x.request.Context(), slog.LevelError, x.ID(), slog.String("path", x.request.URL.Path), slog.Any("error", errNoResult))
		x.Header()["Connection"] = []string{"close"} // net/http is about to close it
	}
	x.fail500()
	control := http.NewResponseController(x.ResponseWriter)
	x.finish() // first, so that a client with the response finds it counted
	_ = control.Flush()
	_, _ = io.CopyN(io.Discard, x.request.Body, mostUnread)
}

// mostUnread is how much of a body is read before its connection is closed,
// net/http's limit: closing with an unread body resets the connection, and the
// client may lose the response.
const mostUnread = 256 << 10

func (x *exchange) finish() {
	x.out.mu.Lock()
	if x.out.finished {
		x.out.mu.Unlock()
		return
	}
	x.begin(http.StatusOK) // net/http sends it for a handler that writes nothing
	x.out.finished = true
	status := x.out.status
	x.out.mu.Unlock()
	took := time.Since(x.start)
	x.match.route.endpoint.EndHTTP(x.request, status, took)
	x.setServerError(status)
	x.log(took, false)
	x.inFlight.Remove(x)
}

// LogCut logs the request as cut off by the end of the grace.
func (x *exchange) LogCut() { x.log(time.Since(x.start), true) }

// log writes the line of the access log, once. It reads only what a running
// handler cannot change.
func (x *exchange) log(took time.Duration, cut bool) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.out.logged || !x.out.logs {
		return
	}
	x.out.logged, x.out.cut = true, cut || x.app.life.cutting.Load()
	line := accesslog.Line{
		Request: x.request, Service: x.app.name, ID: x.requestID(), ResponseType: x.out.contentType,
		Status: x.out.status, ResponseBytes: x.out.bytes, Took: took, Cut: x.out.cut,
	}
	if x.out.unsent {
		line.Status = 0
	}
	x.app.log.access.Write(&x.app.conf.now().access, &line)
}

// setServerError marks the span of x after a failure of the server.
func (x *exchange) setServerError(status int) {
	if x.app.tracing != nil {
		tracing.SetServerError(x.request.Context(), status)
	}
}

// panicked logs a panic outside of an API's function.
func (x *exchange) panicked(value any, stack []byte) {
	x.app.log.failed(x.request.Context(), slog.LevelError, x.ID(), slog.String("path", x.request.URL.Path),
		slog.String("error", fmt.Sprintf("panic: %v", value)), slog.String("stack", string(stack)))
}
