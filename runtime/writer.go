package runtime

import (
	"bufio"
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/net/http/httpguts"

	"github.com/ekiben-serving/ekiben/runtime/internal/slow"
)

// The methods of an exchange as a ResponseWriter.

// ownHeader gives middleware its own header map, which is copied when the response
// begins: middleware may pass the map to the function, which may write to it while
// the timeout responds.
func (x *exchange) ownHeader() {
	if !x.owned {
		x.owned, x.header = true, http.Header{}
		maps.Copy(x.header, x.ResponseWriter.Header())
	}
}

// middlewareHeader returns a copy of the middleware's header. Middleware may call
// Header in another goroutine at the same time.
func (x *exchange) middlewareHeader() http.Header {
	if !x.owned {
		return nil
	}
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	return x.header.Clone()
}

// Header returns the header of the response.
func (x *exchange) Header() http.Header {
	if !x.owned {
		return x.ResponseWriter.Header()
	}
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	return x.header
}

// WriteHeader sends the status.
func (x *exchange) WriteHeader(status int) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.over() {
		return
	}
	if status < 100 || status > 199 || status == http.StatusSwitchingProtocols {
		x.begin(status)
	} else if x.owned { // a 103 sends the headers that are set so far
		maps.Copy(x.ResponseWriter.Header(), x.header)
	}
	x.ResponseWriter.WriteHeader(status)
}

// begin records the first status and completes the header. x.out is locked. If the
// client has hung up, metrics.client_closed decides which status is counted.
func (x *exchange) begin(status int) {
	if x.out.status != 0 {
		return
	}
	header := x.ResponseWriter.Header()
	if x.owned {
		clear(header)
		maps.Copy(header, x.header)
	}
	if x.out.timeout > 0 {
		delete(header, "Content-Encoding")
		header["Content-Type"] = jsonType
		header["Content-Length"] = []string{strconv.Itoa(x.out.timeout)}
		header["Connection"] = []string{"close"} // the function still uses the connection's goroutine
	}
	counted := x.counted(status) // before a read that fails, which ends the request's context
	if x.mayLeaveUnread(status) {
		x.leaveUnread(header)
	}
	cfg := x.app.conf.Now()
	header[requestIDHeader] = x.id[:]
	if cfg.HTTP.Response.TraceID {
		if span := trace.SpanContextFromContext(x.request.Context()); span.IsValid() && x.app.tracing != nil {
			header[traceIDHeader] = []string{cfg.Access.IDs.Trace(span)}
		}
	}
	if x.out.unsent = x.app.life.cutting.Load(); !x.out.unsent && x.out.logs {
		x.out.contentType = header.Get("Content-Type")
	}
	x.out.status = counted
	if x.rpc != nil && x.rpc.status > 0 && !x.out.gone {
		x.out.status = x.rpc.status
	}
}

// counted returns the status that a request is counted with. x.out is locked.
func (x *exchange) counted(status int) int {
	if x.request.Context().Err() != context.Canceled || x.from.conn.Stalled() || x.from.conn.Unread() {
		return status
	}
	if !x.out.gone { // a stream that fails is counted when it begins and when it ends
		if !x.app.life.cutting.Load() { // else the app hung up, see record
			x.app.telemetry.Counts.Disconnects.Add(1)
		}
		x.out.gone = true
	}
	return x.app.conf.Now().Metrics.ClientClosed
}

// sendTrailers sends the trailers that middleware set in its header map after the
// response began. x.out is locked.
func (x *exchange) sendTrailers() {
	if !x.owned || x.call.late != nil { // after a timeout the function may write to the map
		return
	}
	copyTrailers(x.ResponseWriter.Header(), x.header)
}

// copyTrailers copies the trailers of a response, which may have been announced.
func copyTrailers(to, from http.Header) {
	announced := strings.Join(from["Trailer"], ",")
	for name, values := range from {
		if strings.HasPrefix(name, http.TrailerPrefix) || announced != "" && slices.ContainsFunc(strings.Split(announced, ","), func(one string) bool {
			return http.CanonicalHeaderKey(strings.TrimSpace(one)) == name
		}) {
			to[name] = values
		}
	}
}

const (
	requestIDHeader = "X-Bentoml-Request-Id"
	traceIDHeader   = "X-Bentoml-Trace-Id"
)

// over reports whether nothing of the response is sent any more. x.out is locked.
func (x *exchange) over() bool { return x.out.finished || x.out.broken }

// Write sends a part of the body.
func (x *exchange) Write(p []byte) (int, error) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.over() {
		return 0, http.ErrHandlerTimeout
	}
	x.begin(http.StatusOK)
	if x.out.timeout > 0 {
		return len(p), nil
	}
	return x.send(p)
}

// buffered is how much of a response net/http keeps before it writes to the client.
const buffered = 2048

// kept is how much of a response net/http keeps at most, in the buffers of the response and of the
// connection, before a part reaches the client.
const kept = 4096

// send writes to the server's writer. x.out is locked.
func (x *exchange) send(p []byte) (int, error) {
	watch := x.watch
	if x.out.bytes+int64(len(p)) <= buffered {
		watch = nil
	}
	if x.out.bytes+int64(len(p)) > kept { // before: the write of a client that reads slowly blocks
		x.out.reached = true
	}
	watch.Begin(slow.Client)
	n, err := x.ResponseWriter.Write(p)
	watch.End(slow.Client)
	if !x.out.unsent {
		x.out.bytes += int64(n)
	}
	return n, err
}

// Unwrap lets http.ResponseController reach the server's writer.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// Flush sends buffered data, the status first.
func (x *exchange) Flush() { _ = x.FlushError() }

// FlushError is Flush for http.ResponseController.
func (x *exchange) FlushError() error {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.over() {
		return http.ErrHandlerTimeout
	}
	x.begin(http.StatusOK)
	x.out.inParts.Store(true)
	return x.flush()
}

// writeAndFlush sends a chunk of a stream.
func (x *exchange) writeAndFlush(p []byte) error {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.over() {
		return http.ErrHandlerTimeout
	}
	if _, err := x.send(p); err != nil {
		return err
	}
	return passed(x.flush())
}

// flush flushes the server's writer. x.out is locked.
func (x *exchange) flush() error {
	x.out.reached = true
	x.watch.Begin(slow.Client)
	defer x.watch.End(slow.Client)
	if flusher, ok := x.ResponseWriter.(interface{ FlushError() error }); ok { // net/http's: no allocation for each chunk of a stream
		return flusher.FlushError()
	}
	return http.NewResponseController(x.ResponseWriter).Flush()
}

// Hijack lets a handler take over the connection. The request is counted when the
// handler returns, as 200, but not a WebSocket, as in BentoML.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.over() || x.out.expiring != nil { // the 504 was sent
		return nil, nil, http.ErrHandlerTimeout
	}
	conn, buffered, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err == nil {
		x.out.hijacked = true
		x.out.inParts.Store(true)
		x.take(conn)
	}
	return conn, buffered, err
}

// take remembers the connection that the handler of x takes over. x.out is locked.
func (x *exchange) take(conn net.Conn) {
	x.out.hijack = &hijackedConn{
		x: x, cut: func() { _ = conn.Close() },
		socket: httpguts.HeaderValuesContainsToken(x.request.Header["Upgrade"], "websocket"),
	}
	x.app.hijacked.Add(x.out.hijack)
}

// leave forgets a connection that was taken over. It reports whether that was a WebSocket.
func (x *exchange) leave() (socket bool) {
	if x.out.hijack == nil {
		return false
	}
	x.app.hijacked.Remove(x.out.hijack)
	return x.out.hijack.socket
}

// begun reports whether the response has begun.
func (x *exchange) begun() bool {
	begun, _ := x.sent()
	return begun
}

// sent reports whether the response has begun, and how many bytes of its body were
// written.
func (x *exchange) sent() (begun bool, bytes int64) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	return x.out.status != 0 || x.out.hijacked, x.out.bytes
}
