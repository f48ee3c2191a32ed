package core

import (
	"slices"
	"testing"
)

func TestExactlyFull(t *testing.T) {
	d := trained(t, Config{Policy: Idle})
	for range 4 {
		d.arrive(0, 0)
	}
	if b := d.sends(); b.Reason != Full || b.Items != 4 {
		t.Errorf("got %+v", b)
	}
}

// Waiting does not make the oldest request late, and Close ends it.
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
	b := d.sends()
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
	if b := d.sends(); b.Reason != Drain {
		t.Errorf("got %+v", b)
	}
	if why, _ := d.Arrive(d.now, &Request{Items: 1}); why != Closed {
		t.Errorf("got %d", why)
	}
}

// Waiting leaves time for a batch of a recent size, not of the largest allowed
// size.
func TestWindowWithLargeBatchesAllowed(t *testing.T) {
	d := trained(t, Config{Policy: Window, Window: 20 * ms, MaxSize: 1000})
	d.now += 1000 * ms
	d.arrive(0, 100*ms)
	if step := d.Next(d.now); step.Batch != nil || step.Again != d.now+20*ms {
		t.Errorf("got %+v at %d", step, d.now)
	}
}

// Only the last idle worker waits.
func TestTheLastIdleWorkerWaits(t *testing.T) {
	d := trained(t, Config{MaxSize: 8, Workers: 2})
	d.play(60, 12)
	d.rule = &rule{enough: 8, oldest: 0.5}
	d.now += 1000 * ms
	d.arrive(0, 0)
	if b := d.sends(); b.Items != 1 {
		t.Errorf("got %+v", b)
	}
	d.arrive(ms, 0)
	if step := d.Next(d.now); step.Batch != nil || step.Again <= d.now {
		t.Errorf("got %+v", step)
	}
}

// A batch after one that was held back has its own reason.
func TestReasonsAreOfTheirBatch(t *testing.T) {
	d := bursty(t, Config{MaxSize: 8})
	d.now += 1000 * ms
	d.arrive(0, 0)
	d.now = d.Next(d.now).Again
	b := d.sends()
	if b.Reason != Gap {
		t.Errorf("got %+v", b)
	}
	d.now += 10 * ms
	d.Done(d.now, b, false)
	d.configure(Config{Policy: Idle, MaxSize: 8})
	d.arrive(0, 0)
	if b := d.sends(); b.Reason != Ready {
		t.Errorf("got %+v", b)
	}
}

func TestAdaptiveWaitsForBursts(t *testing.T) {
	d := bursty(t, Config{MaxSize: 8})
	if sizes, _ := d.play(3, 4); !slices.Equal(sizes, []int{4, 4, 4}) {
		t.Errorf("bursts of four went as %v", sizes)
	}
	if sizes, _ := d.play(1, 12); !slices.Equal(sizes, []int{4, 8}) {
		t.Errorf("a burst of twelve went as %v", sizes)
	}
	if sizes, held := d.play(1, 3); !slices.Equal(sizes, []int{3}) || held != 1 {
		t.Errorf("a burst of three went as %v, %d held back", sizes, held)
	}
	for _, cfg := range []Config{{MaxSize: 8, Policy: Idle}, {MaxSize: 8, Policy: Adaptive, Workers: 2}} {
		// With another worker idle, the next one need not wait for this batch.
		d.configure(cfg)
		if sizes, _ := d.play(1, 4); sizes[0] != 1 {
			t.Errorf("%+v: a burst of four went as %v", cfg, sizes)
		}
	}
}

// Single requests do not wait.
func TestAdaptiveDoesNotWaitInVain(t *testing.T) {
	d := trained(t, Config{MaxSize: 8})
	if _, held := d.play(200, 1); held != 0 {
		t.Errorf("%d were held back", held)
	}
}

// A batch does not wait if the function takes less time than the precision of
// timers.
func TestQuickFunctionsDoNotWait(t *testing.T) {
	d := newDriver(t, Config{MaxSize: 8})
	for range 200 {
		d.now += ms / 10
		for range 4 {
			d.arrive(100, 0)
		}
		b := d.sends()
		d.now += ms / 100
		d.Done(d.now, b, false)
	}
}
