package core

import (
	"slices"
	"testing"
)

// A request that would be late even if it was sent now is refused.
func TestExpire(t *testing.T) {
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

// If all workers are busy, Next must be called again when the first request
// expires.
func TestAgain(t *testing.T) {
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

// If a whole batch of others waits, a request that would be late by the usual
// error is refused.
func TestPlacesAreGivenUp(t *testing.T) {
	for others, want := range map[int]int{4: 1, 3: 0} {
		d := trained(t, Config{Policy: Idle})
		d.now += 1000 * ms
		for range 4 {
			d.arrive(0, 0)
		}
		b := d.goes()
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
			b := d.goes()
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

// With batching disabled each batch has one request, and is estimated so.
func TestDisabled(t *testing.T) {
	d := newDriver(t, Config{MaxSize: 10, Disabled: true})
	for i := range 30 {
		size := 1 + i%4
		d.Arrive(d.now, &Request{Items: size})
		b := d.goes()
		d.now += int64(size) * 10 * ms
		d.Done(d.now, b, false)
	}
	for i := range int64(21) { // each has 20 ms more than it needs
		if why, late := d.Arrive(d.now, &Request{Items: 1, Own: d.now + (i+1)*10*ms + 30*ms}); why != Admitted {
			t.Fatalf("%d: refusal %s, %.1f ms late", i, why, late/ms)
		}
	}
	for i := range 21 {
		step := d.Next(d.now)
		if len(step.Expired) > 0 || step.Batch == nil || step.Batch.Reason != Ready {
			t.Fatalf("%d: got %+v", i, step)
		}
		d.now += 10 * ms
		d.Done(d.now, step.Batch, false)
	}
	for range 11 {
		d.Arrive(d.now, &Request{Items: 1})
	}
	d.Drain()
	if b := d.goes(); b.Reason != Drain {
		t.Errorf("got %+v", b)
	}
}

// Shadows are made anew if the size, the workers or the policy change.
func TestShadowsAreConfigured(t *testing.T) {
	d := bursty(t, Config{MaxSize: 8})
	old := d.shadows
	d.configure(Config{MaxSize: 8, MaxLatency: 1e12})
	if d.shadows != old {
		t.Error("what was learned is lost with max_latency")
	}
	for _, cfg := range []Config{{MaxSize: 16}, {MaxSize: 16, Workers: 2}, {MaxSize: 16, Workers: 2, Policy: Idle}} {
		d.configure(cfg)
		if d.shadows != nil || d.rule != nil {
			t.Errorf("%+v: shadows of before are there", cfg)
		}
		d.play(2, 4)
	}
}

// When single requests follow on bursts, waiting ends after three of them. It
// begins again with the bursts.
func TestWaitingEndsAndBegins(t *testing.T) {
	d := bursty(t, Config{MaxSize: 8})
	d.play(400, 4)
	if _, held := d.play(400, 1); held == 0 || held > patience {
		t.Errorf("%d of 400 single requests were held back, rule %+v", held, d.shadows.all[d.shadows.best].rule)
	}
	d.play(200, 4)
	if sizes, _ := d.play(1, 4); !slices.Equal(sizes, []int{4}) {
		t.Errorf("bursts of four went as %v again", sizes)
	}
}

// After three batches that were held back in vain, a rule is followed only when
// recent requests prove it. A batch with a second request ends the count.
func TestRulesProveThemselvesAnew(t *testing.T) {
	d := bursty(t, Config{MaxSize: 8})
	alone, burst := func() int { _, held := d.play(1, 1); return held }, func() int { _, held := d.play(1, 4); return held }
	for range 3 { // two in vain, and then one that was not
		if held := alone() + alone() + burst(); held != 3 {
			t.Fatalf("%d of three were held back", held)
		}
	}
	if held := alone() + alone() + alone() + alone() + burst(); held != 3 {
		t.Errorf("%d were held back, want the first three", held)
	}
	bursts := 0
	for burst() == 0 {
		if bursts++; bursts > 40 {
			t.Fatal("no burst is waited for again")
		}
	}
	if met := 4 * bursts; met < trusted/2 {
		t.Errorf("waited again after %d requests", met)
	}
}
