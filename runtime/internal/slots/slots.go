// Package slots bounds how much runs at once, by a fixed or an adaptive limit, and queues what
// waits for a slot.
package slots

import "sync/atomic"

// Slots bounds how many requests run at once. A function that runs beyond its
// timeout keeps its slot until it returns. A reload may change the limit while
// requests run. The zero Slots has no limit.
type Slots struct {
	max     atomic.Int64 // 0: no limit
	running atomic.Int64
}

// Limit sets the limit; 0: none.
func (s *Slots) Limit(most int) { s.max.Store(int64(most)) }

// Acquire takes a slot. It returns false if none is free.
func (s *Slots) Acquire() bool {
	for {
		running, limit := s.running.Load(), s.max.Load()
		if limit > 0 && running >= limit {
			return false
		}
		if s.running.CompareAndSwap(running, running+1) {
			return true
		}
	}
}

// Free reports whether a slot is free just now.
func (s *Slots) Free() bool {
	running, limit := s.Read()
	return limit == 0 || running < limit
}

// Release returns a slot.
func (s *Slots) Release() { s.running.Add(-1) }

// Read returns the number of slots in use and the limit; 0: no limit.
func (s *Slots) Read() (taken, limit int64) { return s.running.Load(), s.max.Load() }
