package slow

import (
	"math"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// process samples what the Go runtime does to all goroutines: stops them, lets them help the
// garbage collector, and lets them wait for a processor.
type process struct {
	latest atomic.Pointer[sample]

	mu   sync.Mutex // held while values is read
	read []metrics.Sample
}

// sample is the sum of what the runtime did until a time, since the first sample.
type sample struct {
	at        time.Time
	stopped   float64 // seconds in which the garbage collector had stopped all goroutines
	assisted  float64 // processor seconds in which goroutines helped the garbage collector
	marked    float64 // processor seconds that the garbage collector had for itself, without idle ones
	computed  float64 // processor seconds in which goroutines ran
	contended float64 // seconds, times the share of the goroutines that wanted to run and could not
}

// every is the time between two samples.
const every = 50 * time.Millisecond

// fresh is how old a sample may be that ends a request.
const fresh = 5 * time.Millisecond

const (
	stopped = iota
	assisted
	marked
	computed
	runnable
	running
	processors
)

func newProcess() *process {
	p := &process{read: []metrics.Sample{
		stopped:    {Name: "/sched/pauses/total/gc:seconds"},
		assisted:   {Name: "/cpu/classes/gc/mark/assist:cpu-seconds"},
		marked:     {Name: "/cpu/classes/gc/mark/dedicated:cpu-seconds"},
		computed:   {Name: "/cpu/classes/user:cpu-seconds"},
		runnable:   {Name: "/sched/goroutines/runnable:goroutines"},
		running:    {Name: "/sched/goroutines/running:goroutines"},
		processors: {Name: "/sched/gomaxprocs:threads"},
	}}
	p.latest.Store(&sample{at: time.Now()})
	p.sample(0)
	return p
}

// run takes samples until stop is closed.
func (p *process) run(stop <-chan struct{}) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			p.sample(fresh)
		}
	}
}

// sample returns the latest sample, or takes one if that is older than limit.
func (p *process) sample(limit time.Duration) *sample {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, now := p.latest.Load(), time.Now()
	if now.Sub(last.at) < limit {
		return last
	}
	metrics.Read(p.read)
	next := &sample{at: now, stopped: p.value(stopped), assisted: p.value(assisted), marked: p.value(marked), computed: p.value(computed)}
	next.contended = last.contended + now.Sub(last.at).Seconds()*waiting(p.value(runnable)+p.value(running), p.value(processors))
	p.latest.Store(next)
	return next
}

// value returns the value that was read, or 0 if this version of Go has none.
func (p *process) value(of int) float64 {
	switch v := p.read[of].Value; v.Kind() {
	case metrics.KindUint64:
		return float64(v.Uint64())
	case metrics.KindFloat64:
		return v.Float64()
	case metrics.KindFloat64Histogram:
		return sum(v.Float64Histogram())
	}
	return 0
}

// waiting returns the share of the goroutines that have no processor, of those that want one.
// The goroutine that samples is not counted: it may have taken the processor of another.
func waiting(goroutines, processors float64) float64 {
	return part(goroutines-1-processors, goroutines-1)
}

// sum estimates the sum of a histogram's values: each is taken for the middle of its bucket.
func sum(h *metrics.Float64Histogram) (total float64) {
	for i, n := range h.Counts {
		if n == 0 {
			continue
		}
		low, high := h.Buckets[i], h.Buckets[i+1]
		if math.IsInf(low, -1) {
			low = 0
		}
		if math.IsInf(high, 1) {
			high = low
		}
		total += float64(n) * (low + high) / 2
	}
	return total
}

// divide takes from the function's time what the runtime took of it between two samples: as
// much as from a function that computed all the time. The function waits for the garbage
// collector in the share of the processors' time that the collector has.
func (s *shares) divide(before, after *sample) {
	window := after.at.Sub(before.at).Seconds()
	computed, assisted, marked := after.computed-before.computed, after.assisted-before.assisted, after.marked-before.marked
	paused := part(after.stopped-before.stopped, window)
	waited := (1 - paused) * part(after.contended-before.contended, window)
	helped := (1 - paused - waited) * part(assisted, assisted+computed)
	collected := waited * part(assisted+marked, assisted+marked+computed)
	function := float64(s[Function])
	s[GC] = time.Duration(function * (paused + helped + collected))
	s[Scheduling] = time.Duration(function * (waited - collected))
	s[Function] -= s[GC] + s[Scheduling]
}

// part returns of/whole, between 0 and 1.
func part(of, whole float64) float64 {
	if of <= 0 || whole <= 0 {
		return 0
	}
	return min(1, of/whole)
}
