// Package hijacked tracks connections that a handler has taken over from net/http, which
// knows nothing of them afterwards.
package hijacked

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Conn is a connection that a handler has taken over. Both methods are called in any
// goroutine, at most once.
type Conn interface {
	// Drain asks the handler to end.
	Drain()
	// Cut closes the connection.
	Cut()
}

// Set has the connections whose handlers still run. The zero Set is empty.
type Set struct {
	mu       sync.Mutex
	all      map[Conn]struct{}
	draining bool
	none     chan struct{} // closed when all is empty; nil: nobody waits
}

// Add adds a connection, until Remove.
func (s *Set) Add(one Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[Conn]struct{}{}
	}
	s.all[one] = struct{}{}
	if s.draining {
		go one.Drain()
	}
}

// Remove removes a connection whose handler has returned.
func (s *Set) Remove(one Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, one)
	if len(s.all) == 0 && s.none != nil {
		close(s.none)
		s.none = nil
	}
}

// Draining reports whether Drain was called.
func (s *Set) Draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// Drain drains every connection, and those that are added later. It does not wait.
func (s *Set) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return
	}
	s.draining = true
	for one := range s.all {
		go one.Drain()
	}
}

// Wait waits until there is no connection, or until ctx ends. Then it cuts those that are
// left, forgets them, and returns how many they were.
func (s *Set) Wait(ctx context.Context) (cut int) {
	s.mu.Lock()
	var none chan struct{}
	if len(s.all) > 0 {
		if s.none == nil {
			s.none = make(chan struct{})
		}
		none = s.none
	}
	s.mu.Unlock()
	if none == nil {
		return 0
	}
	select {
	case <-none:
		return 0
	case <-ctx.Done():
	}
	s.mu.Lock()
	left := slices.Collect(maps.Keys(s.all))
	clear(s.all)
	s.mu.Unlock()
	for _, one := range left {
		one.Cut()
	}
	return len(left)
}
