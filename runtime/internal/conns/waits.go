package conns

import (
	"sync/atomic"
	"time"
)

// waits says since when a connection waits for its client.
type waits struct {
	body, write wait
	stalled     atomic.Bool // the sweep has ended the wait for the body
	unread      atomic.Bool // the sweep has closed the connection, because its client does not read
}

// wait is the sweep in which a wait began, plus one. 0: nothing waits.
type wait struct{ since atomic.Int64 }

func (w *wait) begin(clock int64) { w.since.Store(clock + 1) }
func (w *wait) end()              { w.since.Store(0) }

func (w *wait) waited(clock int64) time.Duration {
	since := w.since.Load()
	if since == 0 {
		return 0
	}
	return time.Duration(clock+1-since) * sweepEvery
}

// Piece is how many bytes a client must read within Limits.Write.
const Piece = 64 << 10

// Write writes p in pieces, so that the sweep sees whether the client reads.
func (c *Conn) Write(p []byte) (n int, err error) {
	defer c.write.end()
	for {
		c.write.begin(c.of.clock.Load())
		part := p[n:min(len(p), n+Piece)]
		written, err := c.Conn.Write(part)
		n += written
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// Awaiting marks that a handler waits for bytes of a body, or that it no longer does.
func (c *Conn) Awaiting(bytes bool) {
	if bytes {
		c.body.begin(c.of.clock.Load())
	} else {
		c.body.end()
	}
}

// Stalled reports whether the sweep has ended a read of a body.
func (c *Conn) Stalled() bool { return c != nil && c.stalled.Load() }

// Unread reports whether the sweep has closed the connection because its client does not read.
func (c *Conn) Unread() bool { return c != nil && c.unread.Load() }

// reason is why a connection was closed.
type reason int

const (
	lateHeader reason = iota
	lateIdle
	lateBody
	lateWrite
	lateLingering
	reasons
)

var names = [reasons]string{"header", "idle", "body", "write", "lingering"}

// Late returns how many clients exceeded each limit, by its name. A nil Conns has none.
func (c *Conns) Late() map[string]int64 {
	if c == nil {
		return nil
	}
	counts := map[string]int64{}
	for i, name := range names {
		counts[name] = c.late[i].Load()
	}
	return counts
}
