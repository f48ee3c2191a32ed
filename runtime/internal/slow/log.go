package slow

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Record is one slow request. It has nothing that the client chose, except the trace id.
type Record struct {
	Time                      time.Time // when the request arrived
	Service                   string    // the label runner_name
	Endpoint                  string
	Status                    int
	RequestID                 string
	TraceID                   string // "": no span
	Took                      time.Duration
	Cause                     string
	Spent                     map[string]time.Duration // by cause
	BatchRequests, BatchItems int                      // of the last batch; 0: there was none
	BatchCompute              time.Duration            // 0: it had not ended
}

// Log keeps the latest records. The zero Log is off. It is safe for concurrent use; its lock
// is taken only for slow requests.
type Log struct {
	process atomic.Pointer[process] // nil: off

	mu      sync.Mutex
	keep    int
	records []*Record // the oldest first
	stop    chan struct{}
	stopped chan struct{}
	closed  bool
}

// Apply turns the log on or off and sets how many records it keeps. The records stay.
func (l *Log) Apply(on bool, keep int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep = keep
	l.records = slices.Delete(l.records, 0, max(0, len(l.records)-keep))
	switch running := l.process.Load() != nil; {
	case on && !running && !l.closed:
		p, stop, stopped := newProcess(), make(chan struct{}), make(chan struct{})
		l.stop, l.stopped = stop, stopped
		l.process.Store(p)
		go func() {
			defer close(stopped)
			p.run(stop)
		}()
	case !on && running:
		l.end()
	}
}

// Close turns the log off for ever. The records stay.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed = true; l.process.Load() != nil {
		l.end()
	}
}

// end stops the samples. l.mu is held.
func (l *Log) end() {
	l.process.Store(nil)
	close(l.stop)
	<-l.stopped
}

// On reports whether requests are measured.
func (l *Log) On() bool { return l.process.Load() != nil }

// Watch begins to measure a request that arrived at start. It returns nil if the log is off.
func (l *Log) Watch(start time.Time) *Watch {
	p := l.process.Load()
	if p == nil {
		return nil
	}
	return &Watch{start: start, before: p.latest.Load()}
}

// Add keeps the record of a request that w has measured, with the cause, which it returns.
func (l *Log) Add(w *Watch, r Record) Cause {
	spent, run, compute := w.end(r.Took)
	if p := l.process.Load(); p != nil {
		spent.divide(w.before, p.sample(fresh))
	}
	cause := spent.cause(r.Took)
	r.Cause, r.Spent = cause.String(), spent.named()
	r.BatchRequests, r.BatchItems, r.BatchCompute = run.Requests, run.Items, compute
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.records) >= l.keep {
		l.records = slices.Delete(l.records, 0, len(l.records)-l.keep+1)
	}
	l.records = append(l.records, &r)
	return cause
}

// List returns copies of the records, the latest first; with a trace id, those of that trace.
func (l *Log) List(trace string) []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []Record{}
	for _, r := range slices.Backward(l.records) {
		if trace == "" || r.TraceID == trace {
			one := *r
			one.Spent = maps.Clone(r.Spent)
			list = append(list, one)
		}
	}
	return list
}
