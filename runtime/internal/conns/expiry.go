package conns

import (
	"errors"
	"os"
	"sync"
	"time"
)

// expiry keeps deadlines of reads from the system's connection as long as that changes nothing.
// net/http changes the deadline three times for each request that has no error: it removes it
// before the handler; after the handler it sets one in the past, to end the read with which it
// watches the client; and it removes that one. The read has mostly not begun by then.
type expiry struct {
	mu      sync.Mutex
	reading int  // reads that run
	passed  bool // the next read fails; the system does not know
	set     bool // the system has a deadline
}

// past is after the deadlines with which net/http and we end a read, and before all others.
var past = time.Unix(60, 0)

// begin reports whether a read may begin, which end ends.
func (e *expiry) begin() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.passed {
		return false
	}
	e.reading++
	return true
}

func (e *expiry) end() {
	e.mu.Lock()
	e.reading--
	e.mu.Unlock()
}

// SetReadDeadline does what [net.Conn] says.
func (c *Conn) SetReadDeadline(t time.Time) error {
	e := &c.expiry
	e.mu.Lock()
	defer e.mu.Unlock()
	e.passed = e.reading == 0 && !t.IsZero() && t.Before(past)
	if e.passed || t.IsZero() && !e.set {
		return nil
	}
	e.set = !t.IsZero()
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline does what [net.Conn] says.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// read reads from the client, unless a deadline has passed.
func (c *Conn) read(p []byte) (int, error) {
	if !c.expiry.begin() {
		return 0, os.ErrDeadlineExceeded
	}
	defer c.expiry.end()
	return c.Conn.Read(p)
}
