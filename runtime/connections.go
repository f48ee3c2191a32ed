package runtime

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A connection may take headerTimeout for the headers of a request, so that
// clients who send them byte by byte cannot hold connections for ever, and stay
// without a request for idleTimeout.
const (
	headerTimeout = 30 * time.Second
	idleTimeout   = 3 * time.Minute
	sweepEvery    = 5 * time.Second
)

// connections are the open connections of a server.
//
// http.Server has timeouts of its own, but sets a deadline several times a
// request for them, which is dearer than all the metrics of that request. Here
// a request stores two numbers, and a sweep looks at them every few seconds.
type connections struct {
	net.Listener
	clock atomic.Int64 // the number of the sweep to come
	open  atomic.Int64
	none  chan struct{}
	mu    sync.Mutex
	all   map[*conn]struct{}
}

// conn is a connection with what the sweep has to know: since which sweep it
// has been waiting for its client, and for what.
type conn struct {
	net.Conn
	since atomic.Int64
	phase atomic.Int32
	open  answering
}

const (
	readingHeader int32 = iota
	handling
	idle
)

func newConnections(listener net.Listener) *connections {
	return &connections{Listener: listener, none: make(chan struct{}, 1), all: map[*conn]struct{}{}}
}

// Accept hands the server connections that know their phase.
func (c *connections) Accept() (net.Conn, error) {
	accepted, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: accepted}, nil
}

type connKey struct{}

// context lets the handler say that the headers have been read.
func (c *connections) context(ctx context.Context, accepted net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, ours(accepted))
}

func ours(accepted net.Conn) *conn {
	if secure, ok := accepted.(*tls.Conn); ok {
		accepted = secure.NetConn()
	}
	one, _ := accepted.(*conn)
	return one
}

// connOf is the connection that a request has come on; nil: it was somebody
// else's server.
func connOf(ctx context.Context) *conn {
	one, _ := ctx.Value(connKey{}).(*conn)
	return one
}

// handled notes that a request has reached its handler.
func (c *conn) handled() {
	if c != nil {
		c.phase.Store(handling)
	}
}

// answering is where its exchanges are listed, if it is one of ours.
func (c *conn) answering() *answering {
	if c == nil {
		return nil
	}
	return &c.open
}

// state is the server's ConnState hook.
func (c *connections) state(accepted net.Conn, state http.ConnState) {
	one := ours(accepted)
	if one == nil {
		return
	}
	switch state {
	case http.StateNew:
		c.open.Add(1)
		c.mu.Lock()
		c.all[one] = struct{}{}
		c.mu.Unlock()
		one.enter(readingHeader, c.clock.Load())
	case http.StateActive:
		one.enter(readingHeader, c.clock.Load())
	case http.StateIdle:
		one.enter(idle, c.clock.Load())
	case http.StateClosed, http.StateHijacked:
		c.mu.Lock()
		delete(c.all, one)
		c.mu.Unlock()
		if c.open.Add(-1) == 0 {
			select {
			case c.none <- struct{}{}:
			default: // somebody has been told already
			}
		}
	}
}

func (c *conn) enter(phase int32, clock int64) {
	c.since.Store(clock)
	c.phase.Store(phase)
}

// sweep closes what has waited too long, until ctx ends.
func (c *connections) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.closeLate(c.clock.Add(1))
		}
	}
}

func (c *connections) closeLate(clock int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for one := range c.all {
		waited := time.Duration(clock-one.since.Load()) * sweepEvery
		switch phase := one.phase.Load(); {
		case phase == readingHeader && waited > headerTimeout, phase == idle && waited > idleTimeout:
			_ = one.Close()
		}
	}
}

// list is what is open now.
func (c *connections) list() []*conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.all))
}

// wait returns when no connection is left, or after d.
func (c *connections) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for c.open.Load() > 0 {
		select {
		case <-c.none:
		case <-timer.C:
			return
		}
	}
}
