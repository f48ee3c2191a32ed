package core

import (
	"testing"
)

// A request that would be late even if it was sent now is refused. The estimate
// decides, even if the batch before was faster.
func TestExpire(t *testing.T) {
	for _, took := range []int64{2, 25} { // 10 ms are expected
		d := trained(t, Config{Policy: Idle, MaxSize: 1})
		d.now += 1000 * ms
		d.arrive(0, 0)
		b := d.sends()
		late := d.arrive(ms, 30*ms) // 20 ms are expected
		d.Done(d.now+took*ms, b, false)
		d.now += 25 * ms
		step := d.Next(d.now)
		if step.Batch != nil || len(step.Expired) != 1 || step.Expired[0] != late || late.Why != Expired {
			t.Errorf("after a batch of %d ms: got %+v", took, step)
		}
	}
}

// If all workers are busy, Next must be called again when the first request
// expires.
func TestAgain(t *testing.T) {
	d := newDriver(t, Config{Policy: Idle, MaxSize: 1})
	d.arrive(0, 0)
	d.sends()
	r := d.arrive(0, 7*ms)
	if step := d.Next(d.now); step.Again != r.Deadline {
		t.Errorf("again at %d, want %d", step.Again, r.Deadline)
	}
	d.now = r.Deadline
	if step := d.Next(d.now); len(step.Expired) != 1 {
		t.Errorf("got %+v", step)
	}
}

// If a whole batch of other requests waits, a request is refused if the estimate
// plus its usual error is after the deadline.
func TestPlacesAreGivenUp(t *testing.T) {
	for others, want := range map[int]int{4: 1, 3: 0} {
		d := trained(t, Config{Policy: Idle})
		d.now += 1000 * ms
		for range 4 {
			d.arrive(0, 0)
		}
		b := d.sends()
		first := d.arrive(0, 60*ms)
		for range others {
			d.arrive(0, 0)
		}
		d.now += 60*ms - 14*ms // 13 ms are expected
		d.Done(d.now, b, true)
		d.cost.usual = 2 * ms
		step := d.Next(d.now)
		if len(step.Expired) != want || want == 1 && step.Expired[0] != first {
			t.Errorf("with %d others %d were refused, want %d", others, len(step.Expired), want)
		}
	}
}

// The first request is refused unless all of its remaining items, several
// batches or one large item, end in time.
func TestAllOfARequestMustBeInTime(t *testing.T) {
	for name, test := range map[string]struct {
		request Request
		others  int
		left    int64 // ms to its deadline when the worker comes free
		refused int
	}{
		"three batches, enough time":           {Request{Items: 12}, 0, 40, 0},
		"three batches, too little":            {Request{Items: 12}, 0, 30, 1},
		"three batches and others, too little": {Request{Items: 12}, 8, 30, 1},
		"a large item":                         {Request{Items: 1, Sizes: []int{40}}, 0, 50, 0},
		"a large item, too little":             {Request{Items: 1, Sizes: []int{40}}, 0, 40, 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := trained(t, Config{Policy: Idle})
			d.cost.usual = 0
			d.now += 1000 * ms
			d.arrive(0, 0)
			b := d.sends()
			r := test.request
			r.Own = d.now + 1000*ms
			if why, _ := d.Arrive(d.now, &r); why != Admitted {
				t.Fatalf("refusal %s", why)
			}
			for range test.others {
				d.arrive(0, 0)
			}
			d.now = r.Deadline - test.left*ms
			d.Done(d.now, b, true)
			if step := d.Next(d.now); len(step.Expired) != test.refused {
				t.Errorf("%d were refused", len(step.Expired))
			}
		})
	}
}

// Shadows are replaced if the size, the workers or the policy change.
func TestShadowsAreConfigured(t *testing.T) {
	d := bursty(t, Config{MaxSize: 8})
	old := d.shadows
	d.configure(Config{MaxSize: 8, MaxLatency: 1e12})
	if d.shadows != old {
		t.Error("a new MaxLatency discards the shadows")
	}
	for _, cfg := range []Config{{MaxSize: 16}, {MaxSize: 16, Workers: 2}, {MaxSize: 16, Workers: 2, Policy: Idle}} {
		d.configure(cfg)
		if d.shadows != nil || d.rule != nil {
			t.Errorf("%+v: shadows of before are there", cfg)
		}
		d.play(2, 4)
	}
}
