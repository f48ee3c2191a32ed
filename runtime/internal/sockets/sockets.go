// Package sockets tracks connections that a handler has taken over from net/http, which
// knows nothing of them afterwards. It also connects a WebSocket with its app. It does not
// depend on services.
package sockets

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Host is the app of a WebSocket, as package websocket sees it.
type Host interface {
	// Draining reports whether new sockets must be refused.
	Draining() bool
	// Opened counts a socket. The app calls drain, once, when it drains.
	Opened(drain func())
	// Received and Sent count a message with its size as BentoML has it.
	Received(size int)
	Sent(size int)
	// Closed counts the end of a socket with its close code.
	Closed(code int)
	// Failed logs why a socket's function failed. stack is that of a panic.
	Failed(err error, stack []byte)
}

type hostKey struct{}

// With returns a context that has a host.
func With(ctx context.Context, host Host) context.Context {
	return context.WithValue(ctx, hostKey{}, host)
}

// HostOf returns the host of a request's context; nil: the request is not in a mount of an
// app.
func HostOf(ctx context.Context) Host {
	host, _ := ctx.Value(hostKey{}).(Host)
	return host
}

// Taken is a connection that a handler has taken over. Both methods are called in any
// goroutine, at most once.
type Taken interface {
	// Drain asks the handler to end.
	Drain()
	// Cut closes the connection.
	Cut()
}

// Set has the connections whose handlers still run. The zero Set is empty.
type Set struct {
	mu       sync.Mutex
	all      map[Taken]struct{}
	draining bool
	none     chan struct{} // closed when all is empty; nil: nobody waits
}

// Add adds a connection, until Remove.
func (s *Set) Add(one Taken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[Taken]struct{}{}
	}
	s.all[one] = struct{}{}
	if s.draining {
		go one.Drain()
	}
}

// Remove removes a connection whose handler has returned.
func (s *Set) Remove(one Taken) {
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
