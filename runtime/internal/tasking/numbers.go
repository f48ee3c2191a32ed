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
	told  time.Time       // when the log last said that the store is full
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

// total returns how many tasks have not ended, and the size of all.
func (n *numbers) total() (pending int, bytes int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.stats {
		pending, bytes = pending+s.Waiting+s.Running, bytes+s.Bytes
	}
	return pending, bytes
}

// tells reports whether the log is to say again that the store is full.
func (n *numbers) tells() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.told.IsZero() && time.Since(n.told) < repeatAfter {
		return false
	}
	n.told = time.Now()
	return true
}
