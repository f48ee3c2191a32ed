package runtime

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/runtime/internal/accesslog"
	"github.com/ekiben-serving/ekiben/runtime/internal/slow"
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
	id       [1]string // of the request, as a header has it
	from     origin
	returned bool        // the handler returned, without a panic or Goexit
	owned    bool        // header is used; set before other goroutines use x
	bodyRead atomic.Bool // all of the body was read
	header   http.Header // set by middleware, see ownHeader; guarded by the mutex of out
	body     watchedBody // of the request, over HTTP/1 on the app's own server
	watch    *slow.Watch // nil: the request cannot be slow
	call     call
	out      outgoing
}

// outgoing is the state of the response. Its mutex guards the fields and is held
// during each write; closing the connection unblocks a stuck write.
type outgoing struct {
	mu sync.Mutex
	expired
	counts
	taken   *taken // the connection that was taken over; nil: none
	leave   func() // gives the place of its client back, see guard.go; nil: it has none
	marks          // of its progress
	refused uint8  // why the request was refused, a telemetry.Refusal plus 1; 0: it was not
	lost

	inParts atomic.Bool // the response was flushed before its end, or the connection taken over; not guarded
}

// expired is a 504 that is written while the function runs.
type expired struct {
	expiring chan struct{} // closed when it is written; nil: no timeout
	timeout  []byte        // its body, while it is written
}

// counts is what is counted and logged of a response.
type counts struct {
	status      int // 0: nothing is written yet
	contentType string
	bytes       int64
}

// marks are how far a response is.
type marks struct {
	finished bool // the request is counted, and later writes are dropped
	settled  bool // the handler has returned: no timeout responds any more
	broken   bool // it failed after it began: nothing more is sent, and the connection is cut
	open     bool // its end is still to be recorded, see record
	logs     bool // it has a line in the access log
	reached  bool // the client has a part of the response, as far as the app can know
	hijacked bool // the connection was taken over
}

// lost is why a client did not get its response.
type lost struct {
	gone   bool // the client hung up before the response, or before the end of a stream
	unsent bool // drain closed the connection before the response began
}

func (a *App) newExchange(w http.ResponseWriter, r *http.Request, found match, from origin) *exchange {
	x := &exchange{ResponseWriter: w, app: a, request: r, match: found, from: from, start: time.Now()}
	var span trace.SpanContext
	if a.tracing != nil {
		span = trace.SpanContextFromContext(r.Context())
	}
	x.id[0] = a.conf.Now().Access.IDs.Request(span)
	x.watchBody()
	if a.slow.On() {
		x.watchSlow()
	}
	return x
}

// exchangeOf returns the exchange that a request belongs to.
func (a *App) exchangeOf(w http.ResponseWriter, r *http.Request) *exchange {
	if x, ok := w.(*exchange); ok {
		return x
	}
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	if x := behind(w); x != nil {
		return x
	}
	// Middleware replaced the context, and wrapped the writer without Unwrap. The
	// request is measured. Its function runs detached, and sees another request id
	// than the client.
	return a.newExchange(w, r, a.chain.routes.again(r), origin{})
}

// behind follows the Unwrap methods of a writer to its exchange. It returns nil if
// they do not lead to one.
func behind(w http.ResponseWriter) *exchange {
	for w != nil {
		if x, ok := w.(*exchange); ok {
			return x
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = wrapper.Unwrap()
	}
	return nil
}

type exchangeKey struct{}

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

// limitUnread limits the time for the rest of a body, which net/http reads before it
// responds. If middleware has read all of it, there is no limit: a handler around the
// app may still use the connection.
func (x *exchange) limitUnread() {
	control := http.NewResponseController(x.ResponseWriter)
	_ = control.SetReadDeadline(time.Now().Add(unreadTimeout))
	if x.from.conn != nil { // watchedBody knows that the body was not read
		return
	}
	if _, err := x.request.Body.Read(nil); err == io.EOF {
		_ = control.SetReadDeadline(time.Time{})
	}
}

// unreadTimeout limits how long the response to a refused request waits for the rest
// of the body. After that, the response is sent and the connection is closed.
const unreadTimeout = time.Second

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

// mostUnread is how many bytes of a body are read before its connection is closed,
// as in net/http: closing a connection with unread data resets it, and the client
// may lose the response.
const mostUnread = 256 << 10

// panicked logs a panic outside of an API's function.
func (x *exchange) panicked(value any, stack []byte) {
	x.app.log.failed(x.request.Context(), slog.LevelError, x.id[0], slog.String("path", accesslog.Sent(x.request.URL.Path)),
		slog.String("error", fmt.Sprintf("panic: %v", value)), slog.String("stack", string(stack)))
}
