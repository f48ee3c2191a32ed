package slots

import (
	"sync"
	"sync/atomic"
	"testing"
)

// The limit holds while many take and return slots, and it may change meanwhile.
func TestSlots(t *testing.T) {
	var s Slots
	if taken, limit := s.Read(); !s.Acquire() || taken != 0 || limit != 0 {
		t.Errorf("without a limit: %d of %d", taken, limit)
	}
	s.Release()
	const most = 3
	s.Limit(most)
	var running, refused atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				if !s.Acquire() {
					refused.Add(1)
					continue
				}
				if n := running.Add(1); n > most {
					t.Errorf("%d run at once", n)
				}
				running.Add(-1)
				s.Release()
			}
		})
	}
	all.Wait()
	for range most {
		if !s.Acquire() {
			t.Error("a slot is missing")
		}
	}
	if taken, limit := s.Read(); s.Acquire() || taken != most || limit != most {
		t.Errorf("full: %d of %d", taken, limit)
	}
	s.Limit(most - 1)
	if s.Release(); s.Acquire() {
		t.Error("a slot was free above the new limit")
	}
}
