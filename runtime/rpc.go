package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
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
	return &rpcWriter{ResponseWriter: w, x: x, method: m.method.Name}
}

func (m *rpc) serve(to *rpcWriter, r *http.Request) {
	if m.method.Stream != nil {
		m.stream(to, r)
		return
	}
	var message body.Reader // not of a pool: a function that runs on after its 504 may read it
	defer message.Release()
	if err := m.read(&message, to, r, m.app.conf.Now().HTTP.MaxBodySize); err != nil {
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

// isCall reports whether a request is a call over gRPC.
func isCall(r *http.Request) bool {
	kind := r.Header.Get("Content-Type")
	return r.ProtoMajor == 2 && r.Method == http.MethodPost && (kind == "application/grpc" || kind == "application/grpc+proto")
}

// hand lets the API of a call respond.
func (m *rpc) hand(to *rpcWriter, r *http.Request, called protocol.Called) {
	api, x := m.app.apis[called.API], to.x
	x.become(&route{label: api.route, pattern: x.match.route.pattern, endpoint: api.endpoint, handler: api, codec: &translated{api.codec, called.Translator}})
	if x.watch == nil && m.app.slow.On() {
		x.watchSlow() // the API may have an objective of its own
	}
	read := r.WithContext(r.Context())
	read.Body, read.ContentLength = http.NoBody, 0 // it is read
	api.ServeHTTP(to, read)
}

// become makes x a request of another route, before its response begins.
func (x *exchange) become(r *route) {
	x.out.mu.Lock() // drain may write the line of the log at the same time
	defer x.out.mu.Unlock()
	r.endpoint.Begin(x.start)
	x.match.route.endpoint.Leave()
	x.match = match{route: r}
}

// read reads a message of most bytes at most; 0: of any size. It ends when the caller or
// traffic.timeout waits no longer.
func (m *rpc) read(to *body.Reader, w *rpcWriter, r *http.Request, most int64) *Error {
	limit := m.app.conf.Now().Traffic.Timeout
	if left, err := grpcTimeout(r.Header.Get("Grpc-Timeout"), w.x.start); err == nil && (limit == 0 || left < limit) {
		limit = left
	}
	if limit > 0 {
		control := http.NewResponseController(w.ResponseWriter)
		if control.SetReadDeadline(w.x.start.Add(limit)) == nil {
			defer func() { _ = control.SetReadDeadline(time.Time{}) }()
		}
	}
	err := m.readFrame(to, w, r, most)
	if err != nil && errors.Is(err.Err, os.ErrDeadlineExceeded) && limit > 0 && time.Since(w.x.start) >= limit {
		return &Error{Status: http.StatusGatewayTimeout, Message: fmt.Sprintf("The message did not arrive in %s", limit), Err: err.Err}
	}
	return err
}

// readFrame reads a message and its prefix.
func (m *rpc) readFrame(to *body.Reader, w *rpcWriter, r *http.Request, most int64) *Error {
	var p grpcwire.Prefix
	if n, err := io.ReadFull(r.Body, p[:]); err != nil {
		return &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("a message must begin with %d bytes that say its length, found %d", len(p), n), Err: err}
	}
	size := p.Size()
	if most > 0 && size > most {
		return tooLarge(most)
	}
	message := &http.Request{Header: http.Header{}, Body: io.NopCloser(io.LimitReader(r.Body, size)), ContentLength: size}
	coding := r.Header.Get("Grpc-Encoding")
	compressed, legal := p.Compressed()
	if compressed && coding == "gzip" {
		message.Header["Content-Encoding"] = []string{coding}
	} else if !legal || compressed || coding != "" && coding != "gzip" && coding != "identity" {
		w.Header()["Grpc-Accept-Encoding"] = []string{"identity,gzip"}
		return &Error{Status: http.StatusNotImplemented, Message: fmt.Sprintf("grpc-encoding must be identity or gzip, found %q", clip(coding))}
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

func tooLarge(most int64) *Error {
	refused := body.TooLarge(most)
	return &Error{Status: refused.Status, Message: refused.Message}
}

const (
	streamedMessage = 64 << 10    // bytes of a message of a stream
	streamedPause   = time.Second // between its messages, after which the stream ends
)

// stream serves a stream of small messages, each of which has a response.
func (m *rpc) stream(to *rpcWriter, r *http.Request) {
	control := http.NewResponseController(to.ResponseWriter)
	for {
		_ = control.SetReadDeadline(time.Now().Add(streamedPause))
		var message body.Reader
		err := m.readFrame(&message, to, r, streamedMessage)
		if err != nil && (errors.Is(err.Err, io.EOF) || errors.Is(err.Err, os.ErrDeadlineExceeded)) {
			_, _ = to.Write(nil) // it ended well
			return
		}
		if err == nil {
			var response []byte
			response, failed := m.method.Stream(bytes.Clone(message.Bytes()))
			message.Release()
			if failed == nil {
				if _, lost := to.Write(grpcwire.End(append(grpcwire.Begin(), response...))); lost != nil || control.Flush() != nil {
					return
				}
				continue
			}
			err = &Error{Status: http.StatusBadRequest, Message: failed.Error()}
		}
		message.Release()
		_ = writeError(to, err)
		return
	}
}
