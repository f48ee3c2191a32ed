// Package turns orders requests that wait: by priority, and among tenants in turn.
package turns

import (
	"cmp"
	"maps"
)

// Rank is where a request stands in a queue, before its arrival or deadline counts.
type Rank struct {
	// Low puts the request behind all that are not low.
	Low bool
	// Tenant says with whom the request takes turns. Requests without a tenant are one too, if
	// others that wait have one.
	Tenant string

	turn int64
	size int64 // 0: it takes no turns
}

// Compare is below 0 if a request of rank r is before one of rank other. Both have their turns.
func (r Rank) Compare(other Rank) int {
	switch {
	case r.Low != other.Low && r.Low:
		return 1
	case r.Low != other.Low:
		return -1
	}
	return cmp.Compare(r.turn, other.turn)
}

// Turns says whose turn it is, by start-time fair queueing: a tenant's next request is placed behind
// its previous one by the size of that one, but never before the request that was served last. So
// tenants that always have requests get equal shares, whatever the sizes and the number of their
// requests, and one that was idle gets no credit for that time. The zero Turns is
// for an empty queue.
type Turns struct{ classes [2]class } // all but low, low

type class struct {
	now      int64 // the turn of the request that was served last
	waiting  int   // requests that take turns
	named    int   // those of them that have a tenant
	accounts map[string]account
}

// account is what is known of a tenant.
type account struct {
	end     int64 // the turn of its next request
	waiting int   // its requests that wait
}

func (t *Turns) class(low bool) *class {
	if low {
		return &t.classes[1]
	}
	return &t.classes[0]
}

// Give sets the turn of a request that may join now, with a size of at least 1.
func (t *Turns) Give(r *Rank, size int) {
	c := t.class(r.Low)
	r.turn, r.size = max(c.now, c.accounts[r.Tenant].end), int64(size)
	if r.Tenant == "" && c.named == 0 {
		r.size = 0
	}
}

// Join says that a request waits from now on, with the turn that Give has set.
func (t *Turns) Join(r Rank) { t.class(r.Low).change(r, 1, r.turn+r.size) }

// Serve says that a request has had its turn.
func (t *Turns) Serve(r Rank) {
	c := t.class(r.Low)
	c.now = max(c.now, r.turn)
	c.change(r, -1, c.accounts[r.Tenant].end)
}

// Leave says that a request does not wait any more. If it was the last one of its tenant, the next
// one has its turn.
func (t *Turns) Leave(r Rank) {
	c := t.class(r.Low)
	end := c.accounts[r.Tenant].end
	if end == r.turn+r.size {
		end = r.turn
	}
	c.change(r, -1, end)
}

func (c *class) change(r Rank, waiting int, end int64) {
	if r.size == 0 {
		return
	}
	if r.Tenant != "" {
		c.named += waiting
	}
	if c.accounts == nil {
		c.accounts = map[string]account{}
	}
	c.accounts[r.Tenant] = account{end, c.accounts[r.Tenant].waiting + waiting}
	if c.waiting += waiting; len(c.accounts) > most+2*c.waiting {
		maps.DeleteFunc(c.accounts, func(_ string, a account) bool { return a.waiting == 0 })
	}
}

// most bounds the tenants that are known although none of their requests waits: clients may send
// any names.
const most = 1000
