package runtime

import (
	"io"
	"os"
	"sync"
)

// watchedBody is the body of a request over HTTP/1 on the app's own server. It tells the connection when a
// handler waits for bytes, so that a client that sends none cannot hold it for ever.
type watchedBody struct {
	io.ReadCloser
	x *exchange

	mu   sync.Mutex // held while somebody reads
	read int64      // bytes
}

// watchBody puts x.body around the body of the request, unless it has none.
func (x *exchange) watchBody() {
	if x.from.conn != nil && x.from.inline && x.request.ContentLength != 0 {
		x.body = watchedBody{ReadCloser: x.request.Body, x: x}
		x.request.Body = &x.body
	}
}

// Read reads the next bytes. Its error is os.ErrDeadlineExceeded if none came in time.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	conn := b.x.from.conn
	conn.Awaiting(true)
	n, err := b.ReadCloser.Read(p)
	conn.Awaiting(false)
	b.read += int64(n)
	switch {
	case err == io.EOF:
		b.x.bodyRead.Store(true)
	case err != nil && conn.Stalled():
		err = os.ErrDeadlineExceeded
	}
	return n, err
}
