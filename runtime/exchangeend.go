package runtime

import (
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/accesslog"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
	"github.com/ekiben-serving/ekiben/runtime/internal/tracing"
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
		if from, ok := p.(*panicError); ok { // the function panicked in a goroutine of its own
			x.panicked(from.value, from.stack)
		} else {
			x.panicked(p, debug.Stack())
		}
		x.fail500()
	case !x.returned && x.out.hijacked:
		if !x.out.hijack.socket { // else nothing could be sent, and it is no request
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

// finish counts and logs the request, once. It reports whether the connection
// must be cut.
func (x *exchange) finish() (cut bool) {
	x.out.mu.Lock()
	if x.out.finished {
		defer x.out.mu.Unlock()
		return x.out.broken
	}
	x.begin(http.StatusOK) // net/http sends 200 if a handler writes nothing
	x.sendTrailers()
	x.out.finished = true
	status, cut, gone, leave, endpoint := x.out.status, x.out.broken, x.out.gone, x.out.leave, x.match.route.endpoint
	x.out.mu.Unlock()
	if leave != nil {
		leave()
	}
	took := time.Since(x.start)
	if x.leave() {
		endpoint.Leave()
	} else {
		x.endSlow(status, took) // first: an exemplar of the request leads to its record
		endpoint.EndHTTP(x.request, status, took)
	}
	x.endGeneration(status, took, gone)
	x.setServerError(status)
	x.record(took, false)
	x.from.conn.Requests().Remove(x)
	return cut
}

// endGeneration records what the function has told of a model.
func (x *exchange) endGeneration(status int, took time.Duration, gone bool) {
	generation := x.call.generation.Load()
	if generation == nil {
		return
	}
	first := time.Duration(-1)
	var end telemetry.StreamEnd
	if st := x.call.stream; st != nil && st.endedBy != "" {
		first, end = st.pace.First(), st.endedBy
	} else if gone {
		end = telemetry.StreamDisconnect
	}
	generation.end(x.request.Context(), x.app.telemetry.GenAI(), took, first, failureOf(status, end))
}

// RecordCut counts and logs the request as cut off, for example at the end of shutdown.grace.
func (x *exchange) RecordCut() { x.record(time.Since(x.start), true) }

// record counts the request if it was cut off, and writes its line of the access log, once. A
// handler may still run.
func (x *exchange) record(took time.Duration, cut bool) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if !x.out.open {
		return
	}
	x.out.open, cut = false, cut || x.app.life.cutting.Load()
	none := x.out.unsent || cut && !x.out.hijacked && !x.out.reached // what was written is in a buffer
	x.countCut(cut, none)
	if !x.out.logs {
		return
	}
	line := accesslog.Line{
		Request: x.request, Path: x.request.URL.Path, Service: x.app.name, Route: x.match.route.label, ID: x.id[0], ResponseType: x.out.contentType,
		Status: x.out.status, ResponseBytes: x.out.bytes, Took: took, Cut: cut, Disconnected: x.out.gone,
	}
	if x.arrived != nil {
		line.Path, line.RequestType = x.arrived.path, x.arrived.contentType
	} else {
		line.RequestType = x.request.Header.Get("Content-Type")
	}
	if x.out.refused > 0 {
		line.Refused = telemetry.Refusal(x.out.refused - 1).String()
	}
	if none {
		line.Status, line.ResponseType, line.ResponseBytes = 0, "", 0
	}
	x.app.log.access.Write(&x.app.conf.Now().Access, &line)
}

// countCut counts a request that was cut off. What the client of a connection that was taken over
// has got is unknown, so it is not counted. x.out is locked.
func (x *exchange) countCut(cut, none bool) {
	switch counts := &x.app.telemetry.Counts; {
	case !cut || x.out.hijacked:
	case none:
		counts.CutNone.Add(1)
	default:
		counts.CutPart.Add(1)
	}
}

// setServerError marks the span of x as failed if the status is a server error.
func (x *exchange) setServerError(status int) {
	if x.app.tracing != nil {
		tracing.SetServerError(x.request.Context(), status)
	}
}
