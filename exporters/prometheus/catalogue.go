package prometheus

import "sync"

// unreserved is added to the rank of a family without a reserved place, so that it
// sorts after all reserved ones.
const unreserved = 1 << 40

// catalogue keeps the order of the families for all collections of an exporter, and
// the type and help of each family's first collection. It grows with the number of
// instrument names, which the SDK never drops either.
type catalogue struct {
	mu       sync.Mutex
	version  uint64
	reserved map[string]int
	seen     map[string]seenFamily
}

// seenFamily is what a family keeps for the life of the exporter: a type that changed
// between two scrapes would break queries.
type seenFamily struct {
	order int // of its first collection
	kind  kind
	help  string
}

func newCatalogue() catalogue {
	return catalogue{reserved: map[string]int{}, seen: map[string]seenFamily{}}
}

// reserve gives name the next reserved place. A new version makes each index rank its
// families again.
func (c *catalogue) reserve(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.reserved[name]; ok {
		return
	}
	c.reserved[name] = len(c.reserved)
	c.version++
}

// admit sets kind, help and rank of families that are new to an index. Families that
// are new to the catalogue are ranked in the order of fresh.
func (c *catalogue) admit(fresh []*family) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range fresh {
		known, ok := c.seen[f.name]
		if !ok {
			known = seenFamily{order: len(c.seen), kind: f.kind, help: f.help}
			c.seen[f.name] = known
		}
		f.kind, f.help = known.kind, known.help
		f.rank = c.rank(f.name)
	}
}

// refresh updates the ranks of families if a name was reserved since the given
// version. It returns the current version.
func (c *catalogue) refresh(families map[string]*family, version uint64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if version == c.version {
		return version
	}
	for _, f := range families {
		f.rank = c.rank(f.name)
	}
	return c.version
}

// rank returns the place of a family that was admitted. c.mu is locked.
func (c *catalogue) rank(name string) int {
	if n, ok := c.reserved[name]; ok {
		return n
	}
	return unreserved + c.seen[name].order
}
