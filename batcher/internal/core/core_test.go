package core

import (
	"math"
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

// trained has seen batches of 1 and 4 that took 10 ms and 13 ms.
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
		d.t.Fatalf("refused: %d", why)
	}
	return r
}

// goes returns the batch that goes now.
func (d *driver) goes() *Batch {
	d.t.Helper()
	step := d.Next(d.now)
	if step.Batch == nil {
		d.t.Fatalf("nothing goes: %+v", step)
	}
	return step.Batch
}

// batch runs one of n requests that came at once.
func (d *driver) batch(n int, took int64) {
	d.t.Helper()
	d.now += 1000 * ms
	for range n {
		d.arrive(0, 0)
	}
	b := d.goes()
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

func TestCostIsLearned(t *testing.T) {
	d := trained(t, Config{Policy: Idle})
	d.predicts(1, 10)
	d.predicts(4, 13)
	d.predicts(8, 17)
	d.batch(4, 2000*ms) // an outlier
	d.predicts(4, 13)
	for range 50 { // failures say nothing
		d.now += 1000 * ms
		d.arrive(0, 0)
		d.Done(d.now+5, d.goes(), true)
	}
	d.predicts(1, 10)
}

func TestWarmUpIsForgotten(t *testing.T) {
	d := newDriver(t, Config{Policy: Idle})
	d.batch(1, 5000*ms)
	d.batch(1, 10*ms)
	d.batch(1, 10*ms)
	d.predicts(1, 10)
}

func TestDriftIsFollowed(t *testing.T) {
	d := trained(t, Config{Policy: Idle})
	for range 200 {
		d.batch(1, 20*ms)
		d.batch(4, 26*ms)
	}
	d.predicts(1, 20)
	d.predicts(4, 26)
}

// An estimate that refuses everybody is put to the test.
func TestATrialIsAdmitted(t *testing.T) {
	d := trained(t, Config{Policy: Idle, MaxLatency: 5 * ms})
	d.now += 1000 * ms
	r := d.arrive(0, 0)
	if b := d.goes(); b.Parts[0].Request != r {
		t.Error("another one went")
	}
	if why, after := d.Arrive(d.now, &Request{Items: 1}); why != Late || after <= 0 {
		t.Errorf("got %d, %f", why, after)
	}
}

// What cannot be answered in time any more does not go.
func TestTheHopelessAreRefused(t *testing.T) {
	d := trained(t, Config{Policy: Idle, MaxSize: 1})
	d.now += 1000 * ms
	d.arrive(0, 0)
	b := d.goes()
	late := d.arrive(ms, 30*ms) // 20 ms are expected
	d.now += 25 * ms            // but the batch takes longer
	d.Done(d.now, b, false)
	step := d.Next(d.now)
	if step.Batch != nil || len(step.Expired) != 1 || step.Expired[0] != late {
		t.Errorf("got %+v", step)
	}
}

// While every worker is busy, the core asks to be called when the first of the
// queue expires.
func TestExpiryIsNoticed(t *testing.T) {
	d := newDriver(t, Config{Policy: Idle, MaxSize: 1})
	d.arrive(0, 0)
	d.goes()
	r := d.arrive(0, 7*ms)
	if step := d.Next(d.now); step.Again != r.Deadline {
		t.Errorf("again at %d, want %d", step.Again, r.Deadline)
	}
	d.now = r.Deadline
	if step := d.Next(d.now); len(step.Expired) != 1 {
		t.Errorf("got %+v", step)
	}
}

// Waiting never makes the oldest late, and closing ends every wait.
func TestWaitsEnd(t *testing.T) {
	d := trained(t, Config{Policy: Idle})
	d.Configure(Config{Policy: Window, Window: 1e15, MaxSize: 4, Workers: 1})
	d.now += 1000 * ms
	r := d.arrive(0, 100*ms)
	step := d.Next(d.now)
	if step.Batch != nil || step.Again >= r.Deadline-13*ms || step.Again < d.now+50*ms {
		t.Fatalf("got %+v for %d", step, r.Deadline)
	}
	d.now = step.Again
	b := d.goes()
	if b.Reason != Deadline {
		t.Errorf("got %+v", b)
	}
	d.now += 10 * ms
	d.Done(d.now, b, false)
	d.arrive(0, 0)
	if step := d.Next(d.now); step.Batch != nil {
		t.Errorf("got %+v", step)
	}
	d.Close()
	if b := d.goes(); b.Reason != Drain {
		t.Errorf("got %+v", b)
	}
	if why, _ := d.Arrive(d.now, &Request{Items: 1}); why != Closed {
		t.Errorf("got %d", why)
	}
}
