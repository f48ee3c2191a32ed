package tasking

import (
	"maps"
	"sync"
	"time"

	"github.com/ekiben-serving/ekiben/tasks"
)

// numbers is what an engine knows of the tasks in its store, by API: what it read last,
// and what it did itself since then.
type numbers struct {
	mu      sync.Mutex
	changes int // how often count was called
	stats   map[string]tasks.Stats
	waits   map[string]bool // whether a task probably waits
	said    time.Time       // when the log last said that the store is full
	read    time.Time       // when the store was asked, if count was not called since then
}

// freshFor is how long a full store is not asked again whether it has room.
const freshFor = 200 * time.Millisecond

// isFresh reports whether the numbers were read a moment ago.
func (n *numbers) isFresh() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.read.IsZero() && time.Since(n.read) < freshFor
}

// changed returns how often the numbers were changed, for set.
func (n *numbers) changed() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changes
}

// set replaces the numbers by what the store returned, unless they were changed since it was
// asked: what it returned may not have the change. It reports whether it did.
func (n *numbers) set(stats map[string]tasks.Stats, since int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changes != since {
		return false
	}
	n.stats, n.read = map[string]tasks.Stats{}, time.Now()
	maps.Copy(n.stats, stats)
	return true
}

// count changes the numbers of an API and returns them.
func (n *numbers) count(api string, change func(*tasks.Stats)) tasks.Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes++
	n.read = time.Time{}
	s := n.stats[api]
	change(&s)
	switch {
	case s.Waiting == 0:
		s.Oldest = time.Time{}
	case s.Oldest.IsZero():
		s.Oldest = time.Now()
	}
	n.stats[api] = s
	return s
}

// of returns the numbers of an API.
func (n *numbers) of(api string) tasks.Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stats[api]
}

// hinted reports whether a task of an API probably waits.
func (n *numbers) hinted(api string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.waits[api]
}

// hint remembers whether a task of an API probably waits.
func (n *numbers) hint(api string, waits bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waits[api] = waits
}

// total returns the numbers of all APIs together.
func (n *numbers) total() (all tasks.Stats) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.stats {
		all.Waiting, all.Running, all.Ended = all.Waiting+s.Waiting, all.Running+s.Running, all.Ended+s.Ended
		all.Bytes, all.Pending = all.Bytes+s.Bytes, all.Pending+s.Pending
	}
	return all
}

// isDue reports whether the log says now that the store is full, at most once in a while.
func (n *numbers) isDue() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.said.IsZero() && time.Since(n.said) < repeatAfter {
		return false
	}
	n.said = time.Now()
	return true
}

// count changes the numbers of an API and reports them, so that they are true between two
// reads of the store.
func (e *Engine) count(api string, change func(*tasks.Stats)) {
	now := e.known.count(api, change)
	for _, known := range e.set.APIs {
		if known.Name == api && known.Observe.Counted != nil {
			known.Observe.Counted(now)
		}
	}
}
