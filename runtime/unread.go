package runtime

import (
	"io"
	"net/http"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/conns"
)

// leavingBody calls a handler that reads no body. net/http would wait for the body: the
// connection ends with the response, and the sweep closes it if the client sends nothing.
func leavingBody(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		w.Header()["Connection"] = []string{"close"}
		defer conns.Of(r.Context()).Responded()
	}
	next.ServeHTTP(w, r)
}

// mayLeaveUnread reports whether nothing reads the body after the response has begun with a
// status. The handler of a mount may, and a function that runs on after its 504.
func (x *exchange) mayLeaveUnread(status int) bool {
	_, mounted := x.match.route.handler.(*mount)
	return status >= http.StatusBadRequest && status != http.StatusGatewayTimeout && !mounted || x.match.route.probe
}

// leaveUnread ends the connection of HTTP/1 with the response, unless all of the body has
// arrived: net/http would wait for the rest before it responds. On a user's own server it does
// nothing, because handlers around the app may still use the connection.
func (x *exchange) leaveUnread(header http.Header) {
	if x.from.conn == nil || !x.from.inline || x.bodyRead.Load() || x.request.ContentLength == 0 || x.out.hijacked {
		return
	}
	if x.body.mu.TryLock() { // else a function reads it, whose response middleware did not wait for
		arrived := x.passOver(x.request.ContentLength - x.body.read)
		x.body.mu.Unlock()
		if arrived {
			x.bodyRead.Store(true)
			return
		}
	}
	header["Connection"] = []string{"close"}
}

// passOver reads the rest of a body, if it is in net/http's buffer already: with a deadline in the
// past, reads of the connection fail at once. x.body is locked. The deadline is removed afterwards, because
// net/http then waits for the next request.
func (x *exchange) passOver(left int64) bool {
	if left <= 0 || left > mostUnread || x.request.Header["Expect"] != nil { // chunked, too much, or a read would ask for it
		return false
	}
	control := http.NewResponseController(x.ResponseWriter)
	if control.SetReadDeadline(time.Unix(1, 0)) != nil {
		return false
	}
	_, err := io.CopyN(io.Discard, x.body.ReadCloser, left)
	_ = control.SetReadDeadline(time.Time{})
	return err == nil
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

// mostUnread is how many bytes of a body are read before its connection is closed,
// as in net/http: closing a connection with unread data resets it, and the client
// may lose the response.
const mostUnread = 256 << 10
