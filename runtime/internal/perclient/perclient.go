// Package perclient limits the requests of each client, whom it knows by its address.
package perclient

import (
	"cmp"
	"container/list"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits of one client. Zeros mean no limit, but Burst 0 is the rate of one second, and at
// least 1.
type Limits struct {
	Concurrency int
	Rate        float64 // requests per second
	Burst       int     // requests that may come at once
}

func (l Limits) burst() int { return cmp.Or(l.Burst, max(1, int(math.Ceil(min(l.Rate, 1e9))))) }

// Most is how many clients without a request are remembered. The one whose last request ended
// first is forgotten first, and has its whole burst again. Clients with requests come on top, as
// many as there are requests, so nobody is refused because the table is full.
const Most = 10_000

// Table has the clients. The zero Table is ready.
type Table struct {
	mu      sync.Mutex
	clients map[netip.Addr]*client
	idle    list.List // of *client without a request, the one that ended first in front
}

type client struct {
	addr    netip.Addr
	running int
	rate    *rate.Limiter // nil: it had no limit so far
	place   *list.Element // in idle; nil: it has requests
}

// Enter takes a place for a request that came from an address, which has the form of
// RemoteAddr of a request. Without a place, it returns after what time there may be one, at
// least a second. Else it returns a function that gives the place back. A client
// without an address, such as one of a Unix socket, has no limit.
func (t *Table) Enter(remote string, limits Limits, now time.Time) (leave func(), after time.Duration) {
	addr, ok := key(remote)
	if !ok || limits.Concurrency <= 0 && limits.Rate <= 0 {
		return func() {}, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.find(addr)
	if limits.Concurrency > 0 && c.running >= limits.Concurrency {
		return nil, time.Second
	}
	if after := c.wait(limits, now); after > 0 {
		t.rest(c)
		return nil, max(after, time.Second)
	}
	c.running++
	return func() { t.leave(c) }, 0
}

// key returns what stands for a client: its address, of IPv6 the network of 64 bits, because a
// client has all of its addresses.
func key(remote string) (netip.Addr, bool) {
	both, err := netip.ParseAddrPort(remote)
	addr := both.Addr()
	if err != nil {
		if addr, err = netip.ParseAddr(remote); err != nil { // as middleware may set it
			return netip.Addr{}, false
		}
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		network, _ := addr.Prefix(64) // valid for IPv6
		addr = network.Addr()
	}
	return addr, true
}

// find returns a client, and makes it if it is new. It does not rest any more.
func (t *Table) find(addr netip.Addr) *client {
	c := t.clients[addr]
	if c == nil {
		c = &client{addr: addr}
		if t.clients == nil {
			t.clients = map[netip.Addr]*client{}
		}
		t.clients[addr] = c
	}
	if c.place != nil {
		t.idle.Remove(c.place)
		c.place = nil
	}
	return c
}

// wait takes a token of the rate, or returns how long there is none.
func (c *client) wait(limits Limits, now time.Time) time.Duration {
	if limits.Rate <= 0 {
		c.rate = nil
		return 0
	}
	if c.rate == nil {
		c.rate = rate.NewLimiter(rate.Limit(limits.Rate), limits.burst())
	}
	if c.rate.Limit() != rate.Limit(limits.Rate) || c.rate.Burst() != limits.burst() { // after a reload
		c.rate.SetLimitAt(now, rate.Limit(limits.Rate))
		c.rate.SetBurstAt(now, limits.burst())
	}
	taken := c.rate.ReserveN(now, 1)
	after := taken.DelayFrom(now)
	if after > 0 {
		taken.CancelAt(now)
	}
	return after
}

func (t *Table) leave(c *client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.running--
	t.rest(c)
}

// rest puts a client without a request behind the others, and forgets the first one if there
// are too many.
func (t *Table) rest(c *client) {
	if c.running > 0 {
		return
	}
	c.place = t.idle.PushBack(c)
	if t.idle.Len() > Most {
		first, _ := t.idle.Remove(t.idle.Front()).(*client)
		delete(t.clients, first.addr)
	}
}

// Len returns how many clients are remembered.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.clients)
}
