package runtime

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/runtime/internal/accesslog"
	"github.com/ekiben-serving/ekiben/runtime/internal/conns"
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
	before   http.Header // header when the function began
	response Response    // what the function sets
	call     call
	out      outgoing
}

// outgoing is the response as it leaves. Its mutex guards all of it and is held
// during each write; closing the connection unblocks a write that is stuck.
type outgoing struct {
	mu          sync.Mutex
	state       state
	late        chan struct{} // closed when the 504 is written; nil: no timeout
	status      int           // as counted; 0: nothing is written yet
	contentType string
	id          string // of the request
	bytes       int64
	logs        bool // the access log is on
	logged      bool
	unsent, cut bool // drain closed the connection before it began, or before it ended
}

// state says who may respond.
type state int8

const (
	open     state = iota
	claimed        // by the function that has ended, or by its timeout
	finished       // counted; what is still written is dropped
)

// ownHeader gives middleware a header map of its own, which is copied when the
// response begins: a function that middleware handed the map to may write to it
// while the timeout responds.
func (x *exchange) ownHeader() {
	if x.header == nil {
		x.header = maps.Clone(x.ResponseWriter.Header())
	}
}

// Header returns the header of the response.
func (x *exchange) Header() http.Header {
	if x.header == nil {
		return x.ResponseWriter.Header()
	}
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.out.status != 0 { // trailers
		return x.ResponseWriter.Header()
	}
	return x.header
}

// WriteHeader sends the status.
func (x *exchange) WriteHeader(status int) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.out.state == finished {
		return
	}
	if status < 100 || status > 199 || status == http.StatusSwitchingProtocols {
		x.begin(status)
	}
	x.ResponseWriter.WriteHeader(status)
}

// begin notes the first status, and completes the header. x.out is locked. A
// client that has hung up never sees the status; metrics.client_closed says how
// it is counted.
func (x *exchange) begin(status int) {
	if x.out.status != 0 {
		return
	}
	header := x.ResponseWriter.Header()
	if x.header != nil {
		clear(header)
		maps.Copy(header, x.header)
	}
	cfg := x.app.conf.now()
	header[requestIDHeader] = []string{x.requestID()}
	if cfg.HTTP.Response.TraceID {
		if span := trace.SpanContextFromContext(x.request.Context()); span.IsValid() && x.app.tracing != nil {
			header[traceIDHeader] = []string{cfg.access.IDs.Trace(span)}
		}
	}
	x.out.status = status
	if x.out.unsent = x.app.life.cutting.Load(); !x.out.unsent {
		x.out.contentType = header.Get("Content-Type")
	}
	if x.request.Context().Err() == context.Canceled {
		x.app.telemetry.Counts.Disconnects.Add(1)
		x.out.status = cfg.Metrics.ClientClosed
	}
}

const (
	requestIDHeader = "X-Bentoml-Request-Id"
	traceIDHeader   = "X-Bentoml-Trace-Id"
)

// requestID returns the id of the request: its span's, as in BentoML, or a
// random one. x.out is locked.
func (x *exchange) requestID() string {
	if x.out.id == "" {
		var span trace.SpanContext
		if x.app.tracing != nil {
			span = trace.SpanContextFromContext(x.request.Context())
		}
		x.out.id = x.app.conf.now().access.IDs.Request(span)
	}
	return x.out.id
}

// ID returns the id of the request.
func (x *exchange) ID() string {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	return x.requestID()
}

// Write sends a part of the body.
func (x *exchange) Write(p []byte) (int, error) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.out.state == finished {
		return 0, http.ErrHandlerTimeout
	}
	x.begin(http.StatusOK)
	n, err := x.ResponseWriter.Write(p)
	if !x.out.unsent {
		x.out.bytes += int64(n)
	}
	return n, err
}

// Unwrap lets http.ResponseController reach the server's writer.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// Flush sends what is buffered, the status first.
func (x *exchange) Flush() { _ = x.FlushError() }

// FlushError is Flush for http.ResponseController.
func (x *exchange) FlushError() error {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.out.state == finished {
		return http.ErrHandlerTimeout
	}
	x.begin(http.StatusOK)
	return http.NewResponseController(x.ResponseWriter).Flush()
}

// begun reports whether the response has begun.
func (x *exchange) begun() bool {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	return x.out.status != 0
}

// end is deferred around the handlers: it makes a 500 of a panic, and counts and
// logs the request, once.
func (x *exchange) end() {
	switch p := recover(); {
	case p == http.ErrAbortHandler: //nolint:errorlint // net/http compares it like this
		x.finish()
		panic(p) //nolint:forbidigo // net/http's own way to cut a connection
	case p != nil:
		x.app.log.panicked(x, p, debug.Stack())
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
	if x.out.state == finished {
		x.out.mu.Unlock()
		return
	}
	x.begin(http.StatusOK) // net/http sends it for a handler that writes nothing
	x.out.state = finished
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
