// Package conns tracks the open connections of a server and the requests in flight
// on each. It closes connections whose client is late. It does not depend on
// services.
package conns

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

// Limits bound what a slow client can hold. 0: no limit. The sweep checks them, so a
// connection may exceed one by sweepEvery.
type Limits struct {
	Header time.Duration // to receive the header of a request
	Idle   time.Duration // without a request
	Body   time.Duration // between two reads of a body that a handler waits for
	Write  time.Duration // between two pieces of a response that the client reads
}

// lingering is how long a client may leave a connection open after a response whose handler
// still runs, such as a 504.
const lingering = 5 * time.Second

const sweepEvery = time.Second

// Conns is a net.Listener that tracks the connections it accepts.
//
// http.Server has timeouts for the same purpose, but it sets a socket deadline
// several times per request for them. The CPU time of a request, compared with bare
// net/http, was 1.07 and 1.03 with these timeouts, and 0.99 and 0.99 with the sweep
// (docs/decisions/0006), for which a request only stores a few numbers.
type Conns struct {
	net.Listener
	limits Limits
	clock  atomic.Int64 // the number of the next sweep
	open   atomic.Int64
	late   [reasons]atomic.Int64
	none   chan struct{}
	mu     sync.Mutex
	all    map[*Conn]struct{}
}

// Conn is a tracked connection, with its phase and its requests in flight.
type Conn struct {
	net.Conn
	of          *Conns
	state       atomic.Int64 // the phase and the sweep in which it began, see enter
	multiplexed atomic.Bool  // HTTP/2: bytes may arrive without a request
	compared    int          // how many of the first bytes were compared with preface; used by the reader
	waits                    // for the client
	InFlight
}

// phase says what a connection does.
type phase int64

const (
	opened phase = iota // nothing has arrived
	readingHeader
	handling
	responded // the response is sent, the handler still runs
	idle
	abandoned // closed after the response, the handler still runs
	phases
)

// Listen tracks the connections of a listener.
func Listen(listener net.Listener, limits Limits) *Conns {
	return &Conns{Listener: listener, limits: limits, none: make(chan struct{}, 1), all: map[*Conn]struct{}{}}
}

// Accept returns the next connection, tracked.
func (c *Conns) Accept() (net.Conn, error) {
	accepted, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: accepted, of: c}, nil
}

// Read marks the first bytes of a request: net/http reports a connection as active only after
// a whole header.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 {
		return n, err
	}
	if c.compared < len(preface) {
		c.compare(p[:n])
	}
	switch now := c.state.Load(); phase(now % int64(phases)) {
	case opened:
		c.state.CompareAndSwap(now, now-int64(opened)+int64(readingHeader))
	case idle:
		if !c.multiplexed.Load() {
			c.state.CompareAndSwap(now, c.of.clock.Load()*int64(phases)+int64(readingHeader))
		}
	}
	return n, err
}

// preface begins a connection of HTTP/2 without TLS (RFC 9113, section 3.4).
const preface = "PRI * HTTP/2"

// compare looks for the preface in the first bytes, which may arrive one by one.
func (c *Conn) compare(first []byte) {
	rest := preface[c.compared:]
	first = first[:min(len(first), len(rest))]
	if string(first) != rest[:len(first)] {
		c.compared = len(preface)
		return
	}
	c.compared += len(first)
	c.multiplexed.Store(c.compared == len(preface))
}

type connKey struct{}

// Attach sets the hooks of a server so that [Of] finds the connection of a
// request, and so that Conns sees its phases.
func (c *Conns) Attach(server *http.Server) {
	server.ConnState = c.state
	server.ConnContext = func(ctx context.Context, accepted net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, tracked(accepted))
	}
}

func tracked(accepted net.Conn) *Conn {
	if secure, ok := accepted.(*tls.Conn); ok {
		accepted = secure.NetConn()
	}
	one, _ := accepted.(*Conn)
	return one
}

// Of returns the connection of a request, or nil if the server is not attached.
func Of(ctx context.Context) *Conn {
	one, _ := ctx.Value(connKey{}).(*Conn)
	return one
}

// Handling marks that a request has reached its handler.
func (c *Conn) Handling() {
	if c != nil {
		c.enter(handling, 0)
		if c.stalled.Load() { // the sweep was late with the last request
			c.stalled.Store(false)
		}
	}
}

// Responded marks that the whole response was sent although its handler still runs.
func (c *Conn) Responded() {
	if c != nil {
		c.enter(responded, c.of.clock.Load())
	}
}

// Requests returns the requests in flight of a connection, or nil if it is not
// tracked.
func (c *Conn) Requests() *InFlight {
	if c == nil {
		return nil
	}
	return &c.InFlight
}

// state is the server's ConnState hook.
func (c *Conns) state(accepted net.Conn, state http.ConnState) {
	one := tracked(accepted)
	if one == nil {
		return
	}
	switch state {
	case http.StateNew:
		c.open.Add(1)
		c.mu.Lock()
		c.all[one] = struct{}{}
		c.mu.Unlock()
		one.enter(opened, c.clock.Load())
	case http.StateActive:
		if secure, ok := accepted.(*tls.Conn); ok && secure.ConnectionState().NegotiatedProtocol == "h2" {
			one.multiplexed.Store(true)
		}
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
			default: // Wait is notified already
			}
		}
	}
}

// enter stores phase and sweep in one word, so that a sweep never compares a new
// phase with the time of the previous one.
func (c *Conn) enter(p phase, clock int64) { c.state.Store(clock*int64(phases) + int64(p)) }

func (c *Conn) entered() (p phase, clock int64) {
	state := c.state.Load()
	return phase(state % int64(phases)), state / int64(phases)
}

// Sweep closes connections whose client is late, until ctx ends.
func (c *Conns) Sweep(ctx context.Context) {
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

func (c *Conns) closeLate(clock int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for one := range c.all {
		p, since := one.entered()
		waited := time.Duration(clock-since) * sweepEvery
		switch {
		case p <= readingHeader && exceeds(waited, c.limits.Header):
			one.end(lateHeader)
		case p == idle && exceeds(waited, c.limits.Idle):
			one.end(lateIdle)
		case p == responded && exceeds(waited, lingering):
			one.enter(abandoned, clock)
			one.end(lateLingering)
		case exceeds(one.write.waited(clock), c.limits.Write):
			one.unread.Store(true)
			one.end(lateWrite)
		case exceeds(one.body.waited(clock), c.limits.Body) && one.stalled.CompareAndSwap(false, true):
			c.late[lateBody].Add(1)
			_ = one.SetReadDeadline(time.Unix(1, 0)) // the handler responds
		}
	}
}

func exceeds(waited, limit time.Duration) bool { return limit > 0 && waited > limit }

// end closes a connection whose client is late.
func (c *Conn) end(r reason) {
	c.of.late[r].Add(1)
	_ = c.Close()
}

// List returns the connections that are open now.
func (c *Conns) List() []*Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.all))
}

// Open returns how many connections are open now.
func (c *Conns) Open() int64 { return c.open.Load() }

// Unfinished returns how many connections have sent a part of a request, or wait for a
// response.
func (c *Conns) Unfinished() (n int) {
	for _, one := range c.List() {
		if p, _ := one.entered(); p == readingHeader || p == handling {
			n++
		}
	}
	return n
}

// WaitResponded returns when every open connection has had its response for a moment,
// although handlers still run, or when ctx ends.
func (c *Conns) WaitResponded(ctx context.Context) {
	ticker := time.NewTicker(respondedEvery)
	defer ticker.Stop()
	for before := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := c.allResponded()
		if before && now {
			return
		}
		before = now
	}
}

// respondedEvery is also the least time that a client has to read its response: closing
// a connection with unread data resets it.
const respondedEvery = 250 * time.Millisecond

func (c *Conns) allResponded() bool {
	all := c.List()
	return len(all) > 0 && !slices.ContainsFunc(all, func(one *Conn) bool {
		p, _ := one.entered()
		return p != responded && p != abandoned
	})
}

// Wait returns when no connection is open, or after d.
func (c *Conns) Wait(d time.Duration) {
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
