package slow

import "time"

// Run is one run of a batch function.
type Run struct{ Requests, Items int }

// Wait is the wait of one call for its batches: while none of them runs. A nil Wait is none. Its
// methods are safe for concurrent use.
type Wait struct {
	watch *Watch

	// Guarded by watch.mu.
	running int // batches with items of the call
	ended   bool
}

// Await says that the request waits for the batches of a call. It returns nil if w is nil.
func (w *Watch) Await() *Wait {
	if w == nil {
		return nil
	}
	w.Begin(Batch)
	return &Wait{watch: w}
}

// Began says that a batch with items of the call begins.
func (b *Wait) Began(run *Run) {
	b.change(func() {
		b.running++
		b.watch.run, b.watch.compute = run, 0
	})
}

// Computed says that this batch has ended, and how long it took. The call then waits for the next
// one, if its items are in several.
func (b *Wait) Computed(run *Run, took time.Duration) {
	b.change(func() {
		b.running--
		if b.watch.run == run {
			b.watch.compute = took
		}
	})
}

// End says that the call returns, whether or not its batches have ended.
func (b *Wait) End() { b.change(func() { b.ended = true }) }

// change makes a change, and begins or ends the wait if it follows from that.
func (b *Wait) change(by func()) {
	if b == nil {
		return
	}
	w := b.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(time.Since(w.start))
	w.waiting[Batch] -= b.waits()
	by()
	w.waiting[Batch] += b.waits()
}

// waits returns 1 if the call waits for a batch, else 0.
func (b *Wait) waits() int16 {
	if b.ended || b.running > 0 {
		return 0
	}
	return 1
}
