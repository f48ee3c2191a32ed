package core

import (
	"math"
	"slices"
	"testing"
)

const ms = 1_000_000

// driver is a core with a clock.
type driver struct {
	t *testing.T
	*Core
	now int64
}

func newDriver(t *testing.T, cfg Config) *driver {
	t.Helper()
	if cfg.Workers == 0 {
		cfg.Workers = 1
	}
	if cfg.MaxSize == 0 {
		cfg.MaxSize = 4
	}
	return &driver{t, New(cfg), 1}
}

// trained returns a core that has seen batches of 1 and 4 items, which took 10
// ms and 13 ms.
func trained(t *testing.T, cfg Config) *driver {
	t.Helper()
	d := newDriver(t, Config{Policy: Idle})
	for range 10 {
		d.batch(1, 10*ms)
		d.batch(4, 13*ms)
	}
	d.configure(cfg)
	return d
}

func (d *driver) configure(cfg Config) {
	cfg.Workers = max(cfg.Workers, 1)
	if cfg.MaxSize == 0 {
		cfg.MaxSize = 4
	}
	d.Configure(cfg)
}

// arrive adds a request of one item.
func (d *driver) arrive(after, deadline int64) *Request {
	d.t.Helper()
	d.now += after
	r := &Request{Items: 1}
	if deadline > 0 {
		r.Own = d.now + deadline
	}
	if why, _ := d.Arrive(d.now, r); why != Admitted {
		d.t.Fatalf("refused: %s", why)
	}
	return r
}

// sends returns the batch that is sent now.
func (d *driver) sends() *Batch {
	d.t.Helper()
	step := d.Next(d.now)
	if step.Batch == nil {
		d.t.Fatalf("no batch is sent: %+v", step)
	}
	return step.Batch
}

// batch runs a batch of n requests that arrive at once.
func (d *driver) batch(n int, took int64) {
	d.t.Helper()
	d.now += 1000 * ms
	for range n {
		d.arrive(0, 0)
	}
	b := d.sends()
	d.now += took
	d.Done(d.now, b, false)
	d.Recycle(b)
}

func (d *driver) predicts(size int, want float64) {
	d.t.Helper()
	if got := d.Predict(size) / ms; math.Abs(got-want) > want/20 {
		d.t.Errorf("a batch of %d is expected to take %.2f ms, want %.2f", size, got, want)
	}
}

// play serves bursts of requests a tenth of a millisecond apart, one burst a
// second, by a function that takes 10 ms + 1 ms an item. It returns the sizes
// of the batches, and how many of them were held back.
func (d *driver) play(bursts, of int) (sizes []int, held int) {
	d.t.Helper()
	for range bursts {
		d.now += 1000 * ms
		sizes, held = d.burst(of, sizes, held)
	}
	return sizes, held
}

func (d *driver) burst(of int, sizes []int, held int) ([]int, int) {
	d.t.Helper()
	arrivals, again := []int64{}, int64(0)
	for i := range of {
		arrivals = append(arrivals, d.now+int64(i)*ms/10)
	}
	var running []*Batch
	for len(arrivals) > 0 || len(running) > 0 || again > 0 {
		next := int64(1 << 62)
		if len(arrivals) > 0 {
			next = arrivals[0]
		}
		for _, b := range running {
			next = min(next, ends(b))
		}
		if again > 0 {
			next = min(next, again)
		}
		d.now = next
		if i := slices.IndexFunc(running, func(b *Batch) bool { return ends(b) == next }); i >= 0 {
			d.Done(d.now, running[i], false)
			running = slices.Delete(running, i, i+1)
		} else if len(arrivals) > 0 && arrivals[0] == next {
			d.arrive(0, 0)
			arrivals = arrivals[1:]
		}
		step := d.Next(d.now)
		for ; step.Batch != nil; step = d.Next(d.now) {
			sizes = append(sizes, step.Batch.Items)
			if step.Batch.Reason == Gap {
				held++
			}
			running = append(running, step.Batch)
		}
		again = step.Again
	}
	return sizes, held
}

func ends(b *Batch) int64 { return b.Started + int64(10+b.Items)*ms }

// bursty returns a core that has seen bursts of four.
func bursty(t *testing.T, cfg Config) *driver {
	t.Helper()
	d := trained(t, cfg)
	d.play(40, 4)
	return d
}
