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

// exchange is one request and its response: the ResponseWriter of every stage, and
// the values that are counted and logged when the request ends.
//
// It is allocated for each request and never pooled: code that wrongly keeps a
// ResponseWriter must not write into the response of another client.
type exchange struct {
	http.ResponseWriter // of the server

	app      *App
	request  *http.Request
	match    match
	start    time.Time
	inline   bool
	returned bool // the handler returned, without a panic or Goexit
	owned    bool // header is used; set before other goroutines use x
	inFlight *conns.InFlight
	header   http.Header // set by middleware, see ownHeader; guarded by the mutex of out
	call     call
	out      outgoing
}

// outgoing is the state of the response. Its mutex guards all fields and is held
// during each write; closing the connection unblocks a stuck write.
type outgoing struct {
	mu          sync.Mutex
	expiring    chan struct{} // closed when the 504 is written; nil: no timeout
	timeout     []byte        // the body of the 504, while it is written
	status      int           // the status that is counted; 0: nothing is written yet
	contentType string
	id          [1]string // the request id, as a header value
	bytes       int64
	finished    bool // the request is counted; later writes are dropped
	settled     bool // the handler has returned: a timeout must not respond any more
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
	// Middleware replaced the context and wrapped the writer without Unwrap. The
	// request is measured, but its function runs detached.
	return &exchange{ResponseWriter: w, app: a, request: r, match: match{route: a.chain.routes.unmatched}, start: time.Now()}
}

type exchangeKey struct{}

// end is deferred around the handlers. It turns a panic into a 500, and counts and
// logs the request once.
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
			panic(http.ErrAbortHandler) //nolint:forbidigo // else the client takes a partial response for a whole one
		}
	case !x.returned:
		x.exited()
	}
	x.finish()
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

// fail500 responds 500. If a response has begun, it counts the request as a 500
// and reports that the connection must be closed.
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
// does: net/http then sends no response.
func (x *exchange) exited() {
	if !x.begun() {
		x.app.log.failed(x.request.Context(), slog.LevelError, x.ID(), slog.String("path", x.request.URL.Path), slog.Any("error", errNoResult))
		x.Header()["Connection"] = []string{"close"} // net/http is about to close it
	}
	x.fail500()
	control := http.NewResponseController(x.ResponseWriter)
	x.finish() // before Flush: the request is counted when the client has the response
	_ = control.Flush()
	_, _ = io.CopyN(io.Discard, x.request.Body, mostUnread)
}

// mostUnread is how many bytes of a body are read before its connection is closed,
// as in net/http: closing a connection with unread data resets it, and the client
// may lose the response.
const mostUnread = 256 << 10

func (x *exchange) finish() {
	x.out.mu.Lock()
	if x.out.finished {
		x.out.mu.Unlock()
		return
	}
	x.begin(http.StatusOK) // net/http sends 200 if a handler writes nothing
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

// LogCut logs the request as cut off at the end of shutdown.grace.
func (x *exchange) LogCut() { x.log(time.Since(x.start), true) }

// log writes the line of the access log, once. It reads only fields that a running
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

// setServerError sets error.type on the span of x if the status is a server error.
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
