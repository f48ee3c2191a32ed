package core

import (
	"slices"
	"testing"
)

// With batching disabled, each batch has one request, and the estimates assume this.
func TestDisabled(t *testing.T) {
	d := newDriver(t, Config{MaxSize: 10, Disabled: true})
	for i := range 30 {
		size := 1 + i%4
		d.Arrive(d.now, &Request{Items: size})
		b := d.sends()
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
	if b := d.sends(); b.Reason != Drain {
		t.Errorf("got %+v", b)
	}
}

// When single requests follow bursts, waiting ends after three of them. It begins
// again with the next bursts.
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

// After three batches that were held back in vain, a rule is followed only when its
// short score is good. A batch with a second request resets the count.
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
