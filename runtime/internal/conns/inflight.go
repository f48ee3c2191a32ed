package conns

import (
	"slices"
	"sync"
)

// Request is a request in flight. RecordCut counts and logs it when drain cuts it off,
// because the program may end before its handler returns.
type Request interface{ RecordCut() }

// InFlight is the list of requests in flight on one connection. Each connection has
// its own list, so that requests of different connections do not share a lock. A nil
// InFlight is empty and ignores changes.
type InFlight struct {
	mu  sync.Mutex
	all []Request
}

// Add adds a request.
func (f *InFlight) Add(r Request) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, r)
}

// Remove removes a request.
func (f *InFlight) Remove(r Request) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if i, last := slices.Index(f.all, r), len(f.all)-1; i >= 0 {
		f.all[i], f.all[last] = f.all[last], nil
		f.all = f.all[:last]
	}
}

// RecordCut counts and logs every request that is in flight now as cut off.
func (f *InFlight) RecordCut() {
	f.mu.Lock()
	all := slices.Clone(f.all)
	f.mu.Unlock()
	for _, r := range all {
		r.RecordCut()
	}
}
