package runtime

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/body"
	"github.com/ekiben-serving/ekiben/runtime/internal/grpcwire"
	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// rpc serves the calls of a method over gRPC. The name of a model is in the message, so a call is
// read before its API is known, and then becomes a request of that API.
type rpc struct {
	app    *App
	method *protocol.RPC
}

// rpcCall is what an exchange keeps of a call.
type rpcCall struct {
	method  *rpc
	message atomic.Pointer[body.Reader] // nil once an API has taken it over
	status  int                         // that is counted instead of the 200 that is sent; 0: the 200. Guarded by the mutex of out
}

// ServeHTTP serves a call, in the form of gRPC over HTTP/2.
func (m *rpc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := m.app.exchangeOf(w, r)
	if !isCall(r) {
		m.app.refuse(w, r, &Error{Status: http.StatusUnsupportedMediaType, Message: "A call must be POST over HTTP/2, with the content type application/grpc"})
		return
	}
	to, ok := w.(*rpcWriter)
	if !ok { // of a probe, which passes no guards
		to = m.writer(w, x)
		m.serve(to, r)
		to.end()
		return
	}
	m.serve(to, r)
}

// writer returns a writer for the response to a call.
func (m *rpc) writer(w http.ResponseWriter, x *exchange) *rpcWriter {
	x.rpc = &rpcCall{method: m}
	return &rpcWriter{ResponseWriter: w, x: x, method: m.method.Name}
}

func (m *rpc) serve(to *rpcWriter, r *http.Request) {
	if m.method.Stream != nil {
		m.stream(to, r)
		return
	}
	if m.method.Refused != nil {
		_ = writeError(to, &Error{Status: m.method.Refused.Status, Message: m.method.Refused.Message})
		return
	}
	message := &body.Reader{} // not of a pool: a function that runs on after its 504 holds it
	to.x.rpc.message.Store(message)
	defer func() {
		if left := to.x.rpc.message.Swap(nil); left != nil { // no API has taken it
			left.Release()
		}
	}()
	most := m.app.conf.Now().HTTP.MaxBodySize
	if m.method.Small && (most == 0 || most > smallMessage) {
		most = smallMessage
	}
	if err := m.read(message, to, r, most); err != nil {
		_ = writeError(to, err)
		return
	}
	to.x.bodyRead.Store(true)
	called, err := m.method.Call(r, message.Bytes())
	switch failure := (*protocol.Failure)(nil); {
	case errors.As(err, &failure):
		_ = writeError(to, &Error{Status: failure.Status, Message: failure.Message})
	case err != nil:
		_ = writeError(to, &Error{Status: http.StatusBadRequest, Message: err.Error()})
	case called.Translator != nil:
		m.hand(to, r, called)
	default:
		to.counted = called.Status
		_, _ = to.Write(grpcwire.End(append(grpcwire.Begin(), called.Message...)))
	}
}

// smallMessage bounds the messages of methods that take only names, in bytes.
const smallMessage = 4 << 10

// isCall reports whether a request is a call over gRPC.
func isCall(r *http.Request) bool {
	kind := r.Header.Get("Content-Type")
	return r.ProtoMajor == 2 && r.Method == http.MethodPost && (kind == "application/grpc" || kind == "application/grpc+proto")
}

// hand lets the API of a call respond.
func (m *rpc) hand(to *rpcWriter, r *http.Request, called protocol.Called) {
	api, x := m.app.apis[called.API], to.x
	if !x.become(&route{label: api.route, pattern: x.match.route.pattern, endpoint: api.endpoint, handler: api, codec: &translated{api.codec, called.Translator}}) {
		return
	}
	if x.watch == nil && m.app.slow.On() {
		x.watchSlow() // the API may have an objective of its own
	}
	read := r.WithContext(r.Context())
	read.Body, read.ContentLength = http.NoBody, 0 // it is read
	api.ServeHTTP(to, read)
}

// become makes x a request of another route, before its response begins. It reports whether x still
// runs: middleware may have responded.
func (x *exchange) become(r *route) bool {
	x.out.mu.Lock() // drain may write the line of the log at the same time
	defer x.out.mu.Unlock()
	if x.out.finished {
		return false
	}
	if x.out.open { // else it is one that nobody ends, see exchangeOf
		r.endpoint.Begin(x.start)
		x.match.route.endpoint.Leave()
	}
	x.app.chain.becoming.Lock()
	defer x.app.chain.becoming.Unlock()
	x.match = match{route: r}
	return true
}

// read reads a message of most bytes at most; 0: of any size. It ends when the caller or
// traffic.timeout waits no longer.
func (m *rpc) read(to *body.Reader, w *rpcWriter, r *http.Request, most int64) *Error {
	at := m.deadline(w.x, r)
	if !at.IsZero() {
		control := http.NewResponseController(w.x)
		if control.SetReadDeadline(at) == nil {
			defer func() { _ = control.SetReadDeadline(time.Time{}) }()
		}
	}
	err := m.readFrame(to, w, r, most)
	if err != nil && errors.Is(err.Err, os.ErrDeadlineExceeded) && !at.IsZero() && !time.Now().Before(at) {
		return &Error{Status: http.StatusGatewayTimeout, Message: fmt.Sprintf("The message did not arrive in %s", at.Sub(w.x.start)), Err: err.Err}
	}
	return err
}

// deadline returns until when a message may arrive; zero: there is no limit. One that has passed is no
// limit here: the API refuses the call.
func (m *rpc) deadline(x *exchange, r *http.Request) (at time.Time) {
	cfg := m.app.conf.Now()
	if limit := cfg.TrafficOf(m.app.name).Timeout; limit > 0 {
		at = x.start.Add(limit)
	}
	nearer := func(one time.Time) {
		if one.After(x.start) && (at.IsZero() || one.Before(at)) {
			at = one
		}
	}
	if cfg.Traffic.CallerDeadline {
		if one, said := callerWaits(r.Header, x.start); said {
			nearer(one)
		}
	}
	if one, limited := r.Context().Deadline(); limited {
		nearer(one)
	}
	return at
}

// errNoMessage says that nothing of a message came in time.
var errNoMessage = fmt.Errorf("no message: %w", os.ErrDeadlineExceeded)

// readFrame reads a message and its prefix.
func (m *rpc) readFrame(to *body.Reader, w *rpcWriter, r *http.Request, most int64) *Error {
	var p grpcwire.Prefix
	if n, err := io.ReadFull(r.Body, p[:]); n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return &Error{Status: http.StatusRequestTimeout, Message: "The message did not arrive", Err: errNoMessage}
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		return &Error{Status: http.StatusRequestTimeout, Message: "The message stopped arriving", Err: err}
	} else if err != nil {
		return &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("a message must begin with %d bytes that say its length, found %d", len(p), n), Err: err}
	}
	size := p.Size()
	if most > 0 && size > most {
		return tooLarge(most)
	}
	message := &http.Request{Header: http.Header{}, Body: io.NopCloser(io.LimitReader(r.Body, size)), ContentLength: size}
	coding := r.Header.Get("Grpc-Encoding")
	compressed, legal := p.Compressed()
	switch {
	case coding != "" && coding != "identity" && coding != "gzip":
		return unimplemented(w, fmt.Sprintf("grpc-encoding must be identity or gzip, found %q", clip(coding)))
	case !legal || compressed && coding != "gzip":
		return unimplemented(w, fmt.Sprintf("a message must begin with a byte of 0, or of 1 with grpc-encoding gzip; found %d with grpc-encoding %q", p[0], coding))
	case compressed:
		message.Header["Content-Encoding"] = []string{coding}
	}
	_, refused := to.ReadAll(message, most, body.Accepts{Budget: &m.app.bodies})
	switch {
	case refused != nil && refused.NoRoom():
		asker{exchange: w.x}.refused(m.app.Service, telemetry.RefusedMemory)
		return &Error{Status: refused.Status, Message: refused.Message, RetryAfter: time.Second}
	case refused != nil:
		return &Error{Status: refused.Status, Message: refused.Message, Err: refused.Err}
	case !compressed && int64(to.Len()) < size:
		return &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("a message must have %d bytes, as it says, found %d", size, to.Len()), Err: io.ErrUnexpectedEOF}
	}
	return nil
}

// unimplemented refuses a message for its compression, and says which the server reads.
func unimplemented(w *rpcWriter, message string) *Error {
	w.Header()["Grpc-Accept-Encoding"] = []string{"identity,gzip"}
	return &Error{Status: http.StatusNotImplemented, Message: message}
}

const (
	streamedMessage = 64 << 10    // bytes of a message of a stream
	streamedPause   = time.Second // between its messages, after which the stream ends
)

// stream serves a stream of small messages, each of which has a response. It ends when the client has
// no more, pauses, or has had its time, and when the app drains.
func (m *rpc) stream(to *rpcWriter, r *http.Request) {
	control, ends := http.NewResponseController(to.x), m.deadline(to.x, r)
	for !m.app.life.draining.Load() && (ends.IsZero() || time.Now().Before(ends)) {
		_ = control.SetReadDeadline(time.Now().Add(streamedPause))
		if more, err := m.exchangeMessages(to, r); err != nil {
			_ = writeError(to, err)
			return
		} else if !more {
			break
		}
		if err := control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return
		}
	}
	_, _ = to.Write(nil) // it ended well
}

// exchangeMessages reads a message and sends the response. more reports whether there was one.
func (m *rpc) exchangeMessages(to *rpcWriter, r *http.Request) (more bool, failed *Error) {
	var message body.Reader
	defer message.Release()
	if err := m.readFrame(&message, to, r, streamedMessage); err != nil {
		if errors.Is(err.Err, io.EOF) || errors.Is(err.Err, errNoMessage) {
			return false, nil
		}
		return false, err
	}
	response, err := m.method.Stream(message.Bytes())
	if err != nil {
		return false, &Error{Status: http.StatusBadRequest, Message: err.Error()}
	}
	_, lost := to.Write(grpcwire.End(append(grpcwire.Begin(), response...)))
	return lost == nil, nil
}
