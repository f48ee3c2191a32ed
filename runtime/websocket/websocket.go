// Package websocket serves WebSockets. A socket is an [http.Handler], so that it can be
// mounted in any mux:
//
//	mux.Handle("GET /ws", websocket.Handler(func(ctx context.Context, conn *websocket.Conn) error {
//		for {
//			text, err := conn.ReadText()
//			if err != nil {
//				return err // io.EOF if the client has closed the socket
//			}
//			if err := conn.WriteText(strings.ToUpper(text)); err != nil {
//				return err
//			}
//		}
//	}))
//	app.Mount("/app", mux)
//
// Below a mount of an app, sockets are measured as in BentoML, and drained when the app
// ends. Elsewhere they are not.
package websocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/ekiben-serving/ekiben/runtime/internal/sockethost"
)

// Handler serves a WebSocket with fn, which runs from the handshake to the end of the
// socket. When fn returns, the socket is closed:
//
//	nil                  1000
//	a *CloseError        its code and reason
//	any other error      1011, and the error is logged
//	a panic              1011, and it is logged with its stack
//
// If the socket is closed already, an error that says only so is not logged: fn may
// return what [Conn.Read] returned.
//
// ctx ends when the client leaves or closes the socket, when the app drains, which closes
// it with 1001, and when fn returns. The socket holds its slot of max_concurrency until fn
// returns.
//
// A handshake that is wrong is a 400, 405 or 426 with the reason, one of another origin a
// 403, and one while the app ends a 503. If an option is wrong, every handshake is a 500,
// and the log says why.
func Handler(fn func(ctx context.Context, conn *Conn) error, opts ...Option) http.Handler {
	set, err := set(fn != nil, opts)
	return &handler{fn: fn, set: set, err: err}
}

type handler struct {
	fn  func(context.Context, *Conn) error
	set options
	err error // of the options
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := sockethost.Of(r.Context())
	if host == nil {
		host = alone{}
	}
	switch {
	case h.err != nil:
		host.Failed(fmt.Errorf("websocket.Handler: %w", h.err), nil)
		http.Error(w, "this socket has an invalid option, see the log of the server", http.StatusInternalServerError)
		return
	case host.Draining():
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the server is shutting down", http.StatusServiceUnavailable)
		return
	}
	taken := &takeover{ResponseWriter: w}
	if hijackable(w) { // else Accept responds that it is not
		w = taken
	}
	ws, err := websocket.Accept(w, r, &h.set.accept)
	if err != nil {
		return // Accept has responded
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	conn := newConn(ws, taken.conn, r, host, &h.set, cancel)
	host.Opened(conn.drain)
	conn.start()
	err = errNotReturned
	defer func() {
		var stack []byte
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			err = &CloseError{Code: lost, Reason: "the function has cut the socket"}
		default:
			err, stack = fmt.Errorf("panic: %v", p), debug.Stack()
		}
		conn.finish(err, stack)
		cancel(nil)
	}()
	err = h.fn(ctx, conn)
}

var errNotReturned = errors.New("the function called runtime.Goexit and did not return")

// takeover takes over a connection as a tracked one.
type takeover struct {
	http.ResponseWriter

	conn *tracked
}

// Hijack takes over the connection.
func (t *takeover) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	t.conn = &tracked{Conn: conn, began: time.Now()}
	return t.conn, buffered, nil
}

// tracked is a connection that remembers when something arrived. Only its deadlines end a
// close handshake with a client that sends without end.
type tracked struct {
	net.Conn

	began time.Time
	heard atomic.Int64 // when something last arrived, after began
}

// Read reads what has arrived.
func (t *tracked) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if n > 0 {
		t.heard.Store(int64(time.Since(t.began)))
	}
	return n, err
}

// hijackable reports whether a writer, or one that it wraps, can be taken over.
func hijackable(w http.ResponseWriter) bool {
	for {
		if _, ok := w.(http.Hijacker); ok {
			return true
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = wrapper.Unwrap()
	}
}

// alone is the host of a socket that is not in an app.
type alone struct{}

func (alone) Draining() bool  { return false }
func (alone) Opened(func())   {}
func (alone) Received(int)    {}
func (alone) Sent(int)        {}
func (alone) Closed(code int) {}
func (alone) Failed(err error, stack []byte) {
	attrs := []any{"error", err}
	if stack != nil {
		attrs = append(attrs, "stack", string(stack))
	}
	slog.Error("websocket failed", attrs...)
}
