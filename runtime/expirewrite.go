package runtime

import (
	"net/http"
	"time"
)

// write504 sends the 504 while its function runs. through writes it through the
// middleware, which sees the status and the header. The body that is sent is the
// argument, not the output of middleware: middleware may buffer or compress its
// output, and the client would not get all of it before the function returns.
func (x *exchange) write504(body []byte, through func()) (sent bool) {
	x.out.mu.Lock()
	if x.out.status != 0 || x.out.hijacked { // middleware has sent its own response
		x.out.mu.Unlock()
		return false
	}
	x.out.timeout = len(body)
	x.limitExpireWrite()
	x.out.mu.Unlock()
	through()
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if x.out.status == 0 {
		x.begin(http.StatusGatewayTimeout)
		x.ResponseWriter.WriteHeader(http.StatusGatewayTimeout)
	}
	x.out.timeout = 0
	_, _ = x.send(body)
	return true
}

// expireWrite bounds the time to write a 504, which fits into any socket buffer.
const expireWrite = 5 * time.Second

// limitExpireWrite limits the time to write the 504: a client that never reads would hold
// the lock and the slot. x.out is locked, and nothing else is written to the connection: a
// deadline of the handler or of a WebSocket must stay as it is.
func (x *exchange) limitExpireWrite() {
	_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Now().Add(expireWrite))
}
