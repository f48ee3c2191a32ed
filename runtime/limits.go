package runtime

import "sync/atomic"

// limits bound how many requests run at once. They are counted where the function
// runs: one that outlives its timeout still holds its slot. A reload may change
// them while requests run.
type limits struct {
	max     atomic.Int64 // 0: none
	running atomic.Int64
}

func (l *limits) set(most int) { l.max.Store(int64(most)) }

// acquire takes a slot, or reports that there is none.
func (l *limits) acquire() bool {
	for {
		running, limit := l.running.Load(), l.max.Load()
		if limit > 0 && running >= limit {
			return false
		}
		if l.running.CompareAndSwap(running, running+1) {
			return true
		}
	}
}

func (l *limits) release() { l.running.Add(-1) }

// read returns the slots that are taken, and how many there are; 0: no limit.
func (l *limits) read() (taken, limit int64) { return l.running.Load(), l.max.Load() }
