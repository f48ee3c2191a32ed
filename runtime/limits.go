package runtime

import (
	"sync/atomic"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// limits are what one service takes on: how many requests at once, and how
// long each. They are counted where the function runs, so that a function
// which outlives its timeout still holds its slot.
//
// A reload may change them while requests run: each request reads the timeout
// once.
type limits struct {
	wait    atomic.Int64 // a time.Duration; 0: for ever
	max     atomic.Int64 // 0: none
	running atomic.Int64
}

func (l *limits) set(traffic config.Traffic) {
	l.wait.Store(int64(traffic.Timeout))
	l.max.Store(int64(traffic.MaxConcurrency))
}

func (l *limits) timeout() time.Duration { return time.Duration(l.wait.Load()) }

// acquire takes a slot, or reports that there is none.
func (l *limits) acquire() bool {
	running, limit := l.running.Add(1), l.max.Load()
	if running <= limit || limit == 0 {
		return true
	}
	l.running.Add(-1)
	return false
}

func (l *limits) release() { l.running.Add(-1) }
