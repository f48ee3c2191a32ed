package prometheus

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// chunk is the size of the pieces in which responses are kept and written.
	chunk = 64 << 10
	// slack is room for the series that exceeds a chunk.
	slack = 8 << 10
	// maxUnread bounds the bytes of the responses that clients are reading.
	// While they hold more, no collection begins.
	maxUnread = 128 << 20
	// minReading is how long every client may read. If slower readers prevent a
	// collection, the oldest response is cut off.
	minReading = 5 * time.Second
)

// body is an encoded response, which several clients may read at the same time. It is
// a list of chunks and not one slice, because a slice that grows is copied, and because
// any later response can use a chunk again.
type body struct {
	chunks  [][]byte
	size    int // bytes in chunks, for Content-Length
	store   *store
	readers int             // clients that have not finished
	since   time.Time       // when the readers began
	cut     context.Context // ends when the readers are to be cut off
	cutOff  context.CancelFunc
}

// Write appends a copy of p, for gzip. It never fails.
func (b *body) Write(p []byte) (int, error) {
	n := len(p)
	b.size += n
	for len(p) > 0 {
		if len(b.chunks) == 0 || len(b.chunks[len(b.chunks)-1]) >= chunk {
			b.chunks = append(b.chunks, b.store.take())
		}
		last := &b.chunks[len(b.chunks)-1]
		free := min(chunk-len(*last), len(p))
		*last = append(*last, p[:free]...)
		p = p[free:]
	}
	return n, nil
}

// swap appends p without a copy, and returns an empty buffer in exchange. p may be
// longer than chunk by one series, for which every buffer has slack.
func (b *body) swap(p []byte) []byte {
	b.size += len(p)
	b.chunks = append(b.chunks, p)
	return b.store.take()
}

// store keeps the responses that are being read, oldest first. It reuses the memory
// of earlier responses. [sharing] guards all methods but take.
type store struct {
	limit  int // of unread; 0 means maxUnread
	live   []*body
	unread int // bytes of live
	keep   int // chunks in free at most

	mu   sync.Mutex // guards free, which take uses during encoding
	free [][]byte
}

// take returns an empty chunk. It has a mutex of its own, so that encoding a large
// response does not wait for clients that come and go.
func (s *store) take() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free)
	if n == 0 {
		return make([]byte, 0, chunk+slack)
	}
	b := s.free[n-1]
	s.free[n-1], s.free = nil, s.free[:n-1]
	return b
}

// keepFor keeps as much free memory as a round with these bodies needs, so that the next
// round allocates nothing, and a single large round does not hold its memory for ever.
func (s *store) keepFor(bodies map[variant]*body) {
	if len(bodies) == 0 {
		return
	}
	s.keep = 0
	for _, b := range bodies {
		s.keep += len(b.chunks)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) > s.keep {
		clear(s.free[s.keep:])
		s.free = s.free[:s.keep]
	}
}

// add makes b live, with a number of readers. If all of them left during the encoding,
// b is recycled at once.
func (s *store) add(b *body, readers int) {
	b.readers, b.since = readers, time.Now()
	if readers == 0 {
		s.recycle(b)
		return
	}
	b.cut, b.cutOff = context.WithCancel(context.Background())
	s.live = append(s.live, b)
	s.unread += len(b.chunks) * chunk
}

// release removes one reader. The last release frees b.
func (s *store) release(b *body) {
	if b.readers--; b.readers > 0 {
		return
	}
	b.cutOff()
	s.live = slices.DeleteFunc(s.live, func(other *body) bool { return other == b })
	s.unread -= len(b.chunks) * chunk
	s.recycle(b)
}

// recycle keeps the chunks of a response that nobody reads, up to s.keep.
func (s *store) recycle(b *body) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range b.chunks {
		if len(s.free) < s.keep {
			s.free = append(s.free, c[:0])
		}
	}
	b.chunks = nil
}

// room returns 0 if there is room for further responses, and otherwise the time after
// which to call it again. It cuts off the readers of the oldest response if they have
// read for minReading.
func (s *store) room() time.Duration {
	limit := s.limit
	if limit == 0 {
		limit = maxUnread
	}
	if s.unread <= limit {
		return 0
	}
	for _, b := range s.live {
		if b.cut.Err() != nil {
			continue // it is being cut off, and its release calls room again
		}
		if wait := minReading - time.Since(b.since); wait > 0 {
			return wait
		}
		b.cutOff()
		break
	}
	return minReading
}
