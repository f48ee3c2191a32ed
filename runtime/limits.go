package runtime

import "sync/atomic"

// limits bounds how many requests run at once. A function that runs beyond its
// timeout keeps its slot until it returns. A reload may change the limit while
// requests run.
type limits struct {
	max     atomic.Int64 // 0: no limit
	running atomic.Int64
}

func (l *limits) set(most int) { l.max.Store(int64(most)) }

// acquire takes a slot. It returns false if none is free.
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

// read returns the number of slots in use and the limit; 0: no limit.
func (l *limits) read() (taken, limit int64) { return l.running.Load(), l.max.Load() }
