package runtime

import (
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/conns"
)

// limitStreams puts http.limits around the body and the writer of a request over HTTP/2. The
// sweep of its connection cannot tell which stream waits for the client, because the connection
// goes on with others.
func limitStreams(limits config.Limits, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 {
			next.ServeHTTP(w, r)
			return
		}
		m := newMultiplexed(w, limits)
		defer m.leave()
		if r.ContentLength != 0 {
			r.Body = &multiplexedBody{r.Body, m}
		}
		next.ServeHTTP(m, r)
	})
}

// multiplexed is the server's writer of a response over HTTP/2. Each read of the body, each piece
// of the response, and each flush must end within its limit, and before the deadline that the
// handler has set.
type multiplexed struct {
	http.ResponseWriter
	limits config.Limits

	mu          sync.Mutex // never held while something waits for the client
	left        bool       // the handler has returned: its writer must not be used
	read, write streamDeadline
}

// streamDeadline is the earlier one of two.
type streamDeadline struct {
	own   time.Time // of the handler; zero: none
	limit time.Time // of http.limits, while something waits for the client; zero: none
	set   func(time.Time) error
}

func (d *streamDeadline) earlier() time.Time {
	if d.own.IsZero() || !d.limit.IsZero() && d.limit.Before(d.own) {
		return d.limit
	}
	return d.own
}

func newMultiplexed(w http.ResponseWriter, limits config.Limits) *multiplexed {
	m, control := &multiplexed{ResponseWriter: w, limits: limits}, http.NewResponseController(w)
	m.read.set, m.write.set = control.SetReadDeadline, control.SetWriteDeadline
	return m
}

// change sets own or limit of a deadline to a time.
func (m *multiplexed) change(d *streamDeadline, one *time.Time, to time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left {
		return http.ErrHandlerTimeout
	}
	before := d.earlier()
	*one = to
	if now := d.earlier(); !now.Equal(before) {
		return d.set(now)
	}
	return nil
}

// within calls f, which waits for the client, with a limit of time. 0: none.
func (m *multiplexed) within(limit time.Duration, d *streamDeadline, f func() error) error {
	if limit > 0 {
		_ = m.change(d, &d.limit, time.Now().Add(limit))
		defer m.change(d, &d.limit, time.Time{}) //nolint:errcheck // a function may read on after its 504
	}
	return f()
}

// leave says that the handler has returned. What net/http still sends has a limit too.
func (m *multiplexed) leave() {
	if limit := m.limits.WriteTimeout; limit > 0 {
		_ = m.change(&m.write, &m.write.limit, time.Now().Add(limit))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = true
}

// Write sends p in pieces.
func (m *multiplexed) Write(p []byte) (n int, err error) {
	for {
		err = m.within(m.limits.WriteTimeout, &m.write, func() error {
			written, err := m.ResponseWriter.Write(p[n:min(len(p), n+conns.Piece)])
			n += written
			return err
		})
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

func (m *multiplexed) Flush() { _ = m.FlushError() }

// FlushError and the methods below are those of http.ResponseController.
func (m *multiplexed) FlushError() error {
	return m.within(m.limits.WriteTimeout, &m.write, http.NewResponseController(m.ResponseWriter).Flush)
}

func (m *multiplexed) SetReadDeadline(at time.Time) error {
	return m.change(&m.read, &m.read.own, at)
}

func (m *multiplexed) SetWriteDeadline(at time.Time) error {
	return m.change(&m.write, &m.write.own, at)
}

func (m *multiplexed) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// multiplexedBody is the body of a request over HTTP/2.
type multiplexedBody struct {
	io.ReadCloser
	m *multiplexed
}

// Read reads the next bytes. Its error is os.ErrDeadlineExceeded if none came in time.
func (b *multiplexedBody) Read(p []byte) (n int, err error) {
	err = b.m.within(b.m.limits.BodyTimeout, &b.m.read, func() error {
		n, err = b.ReadCloser.Read(p)
		return err
	})
	return n, err
}
