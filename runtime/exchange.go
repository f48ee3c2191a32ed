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
	owned    bool // header is in use; set before any other goroutine knows x
	inFlight *conns.InFlight
	header   http.Header // set by middleware, see ownHeader; guarded by the mutex of out
	call     call
	out      outgoing
}

// outgoing is the response as it leaves. Its mutex guards all of it and is held
// during each write; closing the connection unblocks a write that is stuck.
type outgoing struct {
	mu          sync.Mutex
	expiring    chan struct{} // closed when the timeout has responded; nil: it has not come
	timeout     []byte        // the body of a 504, while it is written past its function
	status      int           // as counted; 0: nothing is written yet
	contentType string
	id          [1]string // of the request, as a header has it
	bytes       int64
	finished    bool // counted; what is still written is dropped
	settled     bool // the handler has returned: no timeout responds any more
	logs        bool // the access log is on
	logged      bool
	unsent      bool // drain closed the connection before the response began
	cut         bool // drain closed the connection before the response ended
}

// exchangeOf returns the exchange that a request belongs to.
func (a *App) exchangeOf(w http.ResponseWriter, r *http.Request) *exchange {
	if x, ok := w.(*exchange); ok {
		return x
	}
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	for at := w; at != nil; {
		if x, ok := at.(*exchange); ok {
			return x
		}
		wrapper, _ := at.(interface{ Unwrap() http.ResponseWriter })
		if at = nil; wrapper != nil {
			at = wrapper.Unwrap()
		}
	}
	// Middleware replaced the context, and hides the exchange behind a writer without
	// Unwrap: the request is measured, but its function runs detached.
	return &exchange{ResponseWriter: w, app: a, request: r, match: match{route: a.chain.routes.unmatched}, start: time.Now()}
}

type exchangeKey struct{}

// end is deferred around the handlers: it makes a 500 of a panic, and counts and
// logs the request, once.
func (x *exchange) end() {
	p := recover()
	x.settle()
	switch {
	case p == http.ErrAbortHandler: //nolint:errorlint // net/http compares it like this
		x.countFailed()
		x.finish()
		panic(p) //nolint:forbidigo // net/http's own way to cut a connection
	case p != nil:
		x.panicked(p, debug.Stack())
		if cut := x.fail500(); cut {
			x.finish()
			panic(http.ErrAbortHandler) //nolint:forbidigo // or a part of a response would look like all of it
		}
	case !x.returned:
		x.exited()
	}
	x.finish()
}

// settle waits for a timeout that is responding, and lets none respond later.
// Middleware may return while the function it was given still runs; the server's
// writer must not be used after that.
func (x *exchange) settle() {
	x.out.mu.Lock()
	x.out.settled = true
	expiring := x.out.expiring
	x.out.mu.Unlock()
	if expiring != nil {
		<-expiring
	}
}

// fail500 responds 500. If a response has begun, it counts the request as a 500
// and reports that the response must be cut.
func (x *exchange) fail500() (cut bool) {
	if !x.begun() {
		writeError(x, &Error{Status: http.StatusInternalServerError, Message: maskedMessage})
		return false
	}
	return x.countFailed()
}

// countFailed counts the request as a 500, unless it is counted already.
func (x *exchange) countFailed() bool {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.out.finished {
		return false
	}
	x.begin(http.StatusInternalServerError)
	x.out.status = http.StatusInternalServerError
	return true
}

// exited responds for a handler that called runtime.Goexit, as a test's FailNow
// does: net/http sends nothing by itself then.
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
	x.sendTrailers()
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
