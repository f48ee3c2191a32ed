package runtime

import (
	"sync/atomic"
	"time"
)

// limits are what one service takes on: how many requests at once, and how
// long each. They are counted where the function runs, so that a function
// which outlives its timeout still holds its slot.
type limits struct {
	timeout time.Duration // 0: none
	max     int64         // 0: none
	running atomic.Int64
}

// acquire takes a slot, or reports that there is none.
func (l *limits) acquire() bool {
	if l.running.Add(1) <= l.max || l.max == 0 {
		return true
	}
	l.running.Add(-1)
	return false
}

func (l *limits) release() { l.running.Add(-1) }
