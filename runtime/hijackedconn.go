package runtime

import (
	"sync"
)

// hijackedConn is a connection that a handler has taken over: a WebSocket, or what a proxy
// forwards. net/http forgets it, so the app drains it.
type hijackedConn struct {
	x      *exchange
	socket bool // it is a WebSocket, which is not counted as a request

	mu       sync.Mutex
	cut      func()
	drain    func() // nil: the handler cannot be asked to end
	draining bool
}

// Drain asks the handler to end.
func (t *hijackedConn) Drain() {
	t.mu.Lock()
	t.draining = true
	drain := t.drain
	t.mu.Unlock()
	if drain != nil {
		drain()
	}
}

// Cut closes the connection.
func (t *hijackedConn) Cut() {
	t.x.RecordCut()
	t.mu.Lock()
	cut := t.cut
	t.mu.Unlock()
	cut()
}
