package core

import (
	"testing"
)

// When a caller leaves, its remaining items leave the queue.
func TestPartsLeave(t *testing.T) {
	d := trained(t, Config{Policy: Idle})
	d.now += 1000 * ms
	r := &Request{Items: 10}
	d.Arrive(d.now, r)
	if b := d.sends(); b.Items != 4 {
		t.Errorf("got %+v", b)
	}
	if _, items := d.Queued(); items != 6 || d.queue.size != 6 {
		t.Errorf("%d items, size %d are queued", items, d.queue.size)
	}
	d.Leave(r)
	if requests, items := d.Queued(); requests != 0 || items != 0 || d.queue.size != 0 {
		t.Errorf("%d requests, %d items, size %d are queued", requests, items, d.queue.size)
	}
}

// Requests whose callers have left do not stay behind one that waits.
func TestLeftRequestsAreReleased(t *testing.T) {
	d := newDriver(t, Config{Policy: Idle, MaxSize: 1})
	d.arrive(0, 0)
	busy := d.sends()
	d.arrive(0, 0)
	for range 2000 {
		r := &Request{Items: 1}
		d.Arrive(d.now, r)
		d.Leave(r)
	}
	if n := len(d.queue.requests); n > 4 {
		t.Errorf("a queue of one holds %d", n)
	}
	d.Done(d.now, busy, false)
	d.sends()
	if requests, items := d.Queued(); requests != 0 || items != 0 {
		t.Errorf("%d requests, %d items are queued", requests, items)
	}
}

// The queue does not grow for ever, and a few batches are used again.
func TestMemoryIsBounded(t *testing.T) {
	d := newDriver(t, Config{Policy: Idle, MaxSize: 1})
	d.arrive(0, 0)
	for range 10_000 {
		d.arrive(0, 0)
		b := d.sends()
		d.Done(d.now, b, false)
		d.Recycle(b)
	}
	if n := cap(d.queue.requests); n > 64 {
		t.Errorf("a queue of one has room for %d", n)
	}
	if n := len(d.spare); n != 1 {
		t.Errorf("%d batches are spare", n)
	}
	for range 20 {
		d.Recycle(&Batch{})
	}
	if n := len(d.spare); n != 8 {
		t.Errorf("%d batches are spare", n)
	}
}
