package slow

import (
	"io"
	"slices"
	"sync"
	"time"
)

// Watch measures what one request waits for. A nil Watch measures nothing. Its methods are
// safe for concurrent use: a timeout responds while the function runs.
type Watch struct {
	body   io.ReadCloser
	start  time.Time
	before *sample // of the process, when the request arrived

	mu      sync.Mutex
	last    time.Duration // when spent was added to, after start
	waiting [GC]int16     // how many of its goroutines wait, by what for
	spent   shares
	run     *Run          // the last batch with items of the request; nil: none
	compute time.Duration // that it took; 0: it has not ended
}

// Begin says that the request waits from now on, for a cause before GC.
func (w *Watch) Begin(c Cause) {
	if w != nil {
		w.move(c, 1)
	}
}

// Continue is Begin for a request that did nothing since its last End, or since it began. It saves
// a look at the clock.
func (w *Watch) Continue(c Cause) {
	if w != nil {
		w.mu.Lock()
		w.waiting[c]++
		w.mu.Unlock()
	}
}

// End says that the request does not wait any more.
func (w *Watch) End(c Cause) {
	if w != nil {
		w.move(c, -1)
	}
}

func (w *Watch) move(c Cause, by int16) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(time.Since(w.start))
	w.waiting[c] += by
}

// add adds the time since last to what the request did. If it waited for several things at
// once, the first one has the time. w.mu is held.
func (w *Watch) add(now time.Duration) {
	at := slices.IndexFunc(w.waiting[:], func(n int16) bool { return n > 0 })
	if at < 0 {
		at = int(Function)
	}
	w.spent[at] += now - w.last
	w.last = now
}

// Reading returns a body that tells w when a handler waits for bytes. Call it once, before the
// body is read.
func (w *Watch) Reading(body io.ReadCloser) io.ReadCloser {
	w.body = body
	return (*reader)(w)
}

type reader Watch

func (r *reader) Read(p []byte) (int, error) {
	w := (*Watch)(r)
	w.move(Body, 1)
	defer w.move(Body, -1)
	return w.body.Read(p)
}

func (r *reader) Close() error { return r.body.Close() }

// end returns where the time of a request went that took so long.
func (w *Watch) end(took time.Duration) (spent shares, of Run, compute time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(max(took, w.last))
	if w.run != nil {
		of = *w.run
	}
	return w.spent, of, w.compute
}
