package body

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// Budget bounds the bytes of all bodies that are in memory at the same time. A nil Budget and
// the zero Budget have no limit. A body in memory takes up to twice its bytes while its
// buffer grows, and its decoded values take more.
type Budget struct{ most, held atomic.Int64 }

// Limit sets the limit in bytes; 0: none.
func (b *Budget) Limit(most int64) { b.most.Store(most) }

// Held returns how many bytes are in memory.
func (b *Budget) Held() int64 { return b.held.Load() }

func (b *Budget) take(n int64) bool {
	if b == nil {
		return true
	}
	if held, most := b.held.Add(n), b.most.Load(); n > 0 && most > 0 && held > most {
		b.held.Add(-n)
		return false
	}
	return true
}

var errBudget = errors.New("http.max_bodies: the bodies in memory exceed it")

// share is what one body holds of a Budget.
type share struct {
	budget *Budget
	held   int64
	read   int64 // bytes that are in memory
}

// Bodies take from the budget in steps. The first bytes are free: a small request then does not
// share memory with other requests.
const (
	freeBytes  = 4 << 10
	budgetStep = 64 << 10
)

// grow takes from the budget what n more bytes need.
func (s *share) grow(n int64) error {
	s.read += n
	if need := s.read - freeBytes - s.held; need > 0 {
		step := max(need, budgetStep)
		if !s.budget.take(step) {
			return errBudget
		}
		s.held += step
	}
	return nil
}

// shrink says that n bytes are not in memory any more, because they are on disk.
func (s *share) shrink(n int64) { s.read -= n }

// Hold adds n bytes, such as those of a response, whatever the limit is. They were made
// already; the next bodies wait until they are sent.
func (b *Reader) Hold(n int64) {
	if n > budgetStep && b.share.budget != nil {
		b.share.budget.held.Add(n)
		b.share.held += n
	}
}

// Adopt takes over what another reader holds of the same budget.
func (b *Reader) Adopt(other *Reader) {
	b.share.held += other.share.held
	other.share = share{}
}

// Release gives everything back to the budget.
func (b *Reader) Release() {
	if b.share.held > 0 {
		b.share.budget.take(-b.share.held)
	}
	b.share = share{}
}

// counted counts the bytes of a body as they are read.
type counted struct {
	io.Reader
	share *share
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if over := c.share.grow(int64(n)); over != nil {
		return n, over
	}
	return n, err
}

// Keeping returns a reader of a body that writes what it reads to a buffer too. The buffer counts
// as the body does, until Release.
func (b *Reader) Keeping(from io.Reader, to io.Writer) io.Reader {
	return &counted{io.TeeReader(from, to), &b.share}
}

// noRoom is the response while too many bytes are in memory.
func noRoom() *Refusal {
	return &Refusal{Status: http.StatusServiceUnavailable, Message: "The server has no memory for the request body at the moment", Err: errBudget, Unread: true}
}

// NoRoom reports whether a refusal is because of a Budget.
func (r *Refusal) NoRoom() bool { return errors.Is(r.Err, errBudget) }
