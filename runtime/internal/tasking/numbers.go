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
	mu    sync.Mutex
	stats map[string]tasks.Stats
	waits map[string]bool // whether a task probably waits
	said  time.Time       // when the log last said that the store is full
}

// set replaces the numbers by what the store returned.
func (n *numbers) set(stats map[string]tasks.Stats) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stats = map[string]tasks.Stats{}
	maps.Copy(n.stats, stats)
}

// count changes the numbers of an API.
func (n *numbers) count(api string, change func(*tasks.Stats)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.stats[api]
	change(&s)
	n.stats[api] = s
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
