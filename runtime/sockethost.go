package runtime

import (
	"log/slog"

	"github.com/ekiben-serving/ekiben/runtime/internal/accesslog"
)

// hosted is what package websocket knows of the app: it counts what the socket does, and
// tells it to drain.
type hosted struct{ x *exchange }

func (h hosted) Draining() bool { return h.x.app.hijacked.Draining() }

// Opened counts a WebSocket, which is in x.out.hijack since its handler took the connection over.
func (h hosted) Opened(drain func()) {
	h.x.match.route.endpoint.OpenSocket()
	h.x.out.mu.Lock()
	t := h.x.out.hijack
	h.x.out.mu.Unlock()
	if t == nil { // middleware took the connection over without the exchange
		return
	}
	t.mu.Lock()
	t.drain = drain
	draining := t.draining
	t.mu.Unlock()
	if draining {
		go drain()
	}
}

func (h hosted) Received(size int) { h.x.match.route.endpoint.SocketReceived(size) }

func (h hosted) Sent(size int) { h.x.match.route.endpoint.SocketSent(size) }

func (h hosted) Closed(code int) { h.x.match.route.endpoint.CloseSocket(code) }

func (h hosted) Failed(err error, stack []byte) {
	attrs := []slog.Attr{slog.String("path", accesslog.Sent(h.x.request.URL.Path)), slog.Any("error", err)}
	if stack != nil {
		attrs = append(attrs, slog.String("stack", string(stack)))
	}
	h.x.app.log.failed(h.x.request.Context(), slog.LevelError, h.x.id[0], attrs...)
}
