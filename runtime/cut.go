package runtime

import (
	"slices"
	"sync"
	"time"
)

// answering are the exchanges of a connection whose lines the access log lacks.
// Each connection has its own, so that requests do not wait for each other here.
type answering struct {
	mu  sync.Mutex
	all []*exchange
}

func (a *answering) add(x *exchange) {
	if a == nil { // the server is somebody else's
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, x)
}

func (a *answering) remove(x *exchange) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if i, last := slices.Index(a.all, x), len(a.all)-1; i >= 0 {
		a.all[i], a.all[last] = a.all[last], nil
		a.all = a.all[:last]
	}
}

// logCut logs what is cut off: the program may end before its handlers return.
// An exchange that is logging itself stays in the list until it has, and is
// waited for.
func (a *answering) logCut() {
	a.mu.Lock()
	all := slices.Clone(a.all)
	a.mu.Unlock()
	for _, x := range all {
		x.log(time.Since(x.start))
	}
}

func (x *exchange) lock() {
	if x.among != nil {
		x.out.Lock()
	}
}

func (x *exchange) unlock() {
	if x.among != nil {
		x.out.Unlock()
	}
}

// log writes the line of the access log, once. Of the request it reads what a
// handler may not change, so that the handler may still run; of the answer only
// what out guards.
func (x *exchange) log(took time.Duration) {
	x.lock()
	defer x.unlock()
	if x.logged || !x.logs {
		return
	}
	x.logged, x.cut = true, x.rt.cutting.Load()
	x.rt.access.log(x, took)
}
