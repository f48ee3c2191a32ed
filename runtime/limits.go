package runtime

import (
	"sync/atomic"
	"time"
)

// limits bound how many requests run at once, and how long each may take. They
// are counted where the function runs: a function that outlives its timeout
// still holds its slot. A reload may change them while requests run.
type limits struct {
	timeout atomic.Int64 // a time.Duration; 0: none
	max     atomic.Int64 // 0: none
	running atomic.Int64
}

func (l *limits) set(most int) { l.max.Store(int64(most)) }

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

// read returns the slots that are taken, and how many there are; 0: no limit.
func (l *limits) read() (taken, limit int64) { return l.running.Load(), l.max.Load() }

// acquire takes a slot of the service and one of the API.
func (a *api) acquire() bool {
	if !a.service.limits.acquire() {
		return false
	}
	if !a.limits.acquire() {
		a.service.limits.release()
		return false
	}
	return true
}

func (a *api) release() {
	a.limits.release()
	a.service.limits.release()
}

// longest returns the timeout of a request; 0: none.
func (a *api) longest() time.Duration { return time.Duration(a.limits.timeout.Load()) }
