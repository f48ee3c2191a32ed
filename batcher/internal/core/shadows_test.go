package core

import (
	"slices"
	"testing"
)

// play serves bursts of requests a tenth of a millisecond apart, one burst a
// second, by a function that takes 10 ms + 1 ms an item. It returns the sizes of
// the batches and how many of them had been held back.
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

// bursty has seen bursts of four.
func bursty(t *testing.T, cfg Config) *driver {
	t.Helper()
	d := trained(t, cfg)
	d.play(40, 4)
	return d
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

// Where requests come one by one, none of them waits.
func TestAdaptiveDoesNotWaitForNobody(t *testing.T) {
	d := trained(t, Config{MaxSize: 8})
	if _, held := d.play(200, 1); held != 0 {
		t.Errorf("%d were held back", held)
	}
}

// A function that takes less than timers can tell is not waited for.
func TestTheInstantAreNotWaitedFor(t *testing.T) {
	d := newDriver(t, Config{MaxSize: 8})
	for range 200 {
		d.now += ms / 10
		for range 4 {
			d.arrive(100, 0)
		}
		b := d.goes()
		d.now += ms / 100
		d.Done(d.now, b, false)
	}
}

// A wait that is over does not colour the next batch.
func TestReasonsAreOfTheirBatch(t *testing.T) {
	d := bursty(t, Config{MaxSize: 8})
	d.now += 1000 * ms
	d.arrive(0, 0)
	d.now = d.Next(d.now).Again
	b := d.goes()
	if b.Reason != Gap {
		t.Errorf("got %+v", b)
	}
	d.now += 10 * ms
	d.Done(d.now, b, false)
	d.configure(Config{Policy: Idle, MaxSize: 8})
	d.arrive(0, 0)
	if b := d.goes(); b.Reason != Ready {
		t.Errorf("got %+v", b)
	}
}

// When bursts give way to single requests, waiting stops after three of them,
// and starts again with the bursts.
func TestWaitingIsGivenUpAndTakenUp(t *testing.T) {
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

// Lists count by what is in them: two lists of four fill a batch of eight.
func TestShadowsCountItems(t *testing.T) {
	d := trained(t, Config{MaxSize: 8})
	for range 40 {
		d.now += 1000 * ms
		var step Step
		for range 2 {
			d.now += ms
			if why, _ := d.Arrive(d.now, &Request{Items: 4}); why != Admitted {
				t.Fatal(why)
			}
			if step.Batch == nil {
				step = d.Next(d.now)
			}
		}
		for ; step.Batch != nil; step = d.Next(d.now) {
			d.now = ends(step.Batch)
			d.Done(d.now, step.Batch, false)
		}
	}
	d.now += 1000 * ms
	for i := range 2 {
		d.now += ms
		d.Arrive(d.now, &Request{Items: 4})
		if step := d.Next(d.now); (step.Batch != nil) != (i == 1) {
			t.Errorf("after list %d: %+v", i, step.Batch)
		}
	}
}

// What a shadow is charged does not suffer from a clock that has run for years.
func TestScoresOfOldClocks(t *testing.T) {
	const years = 1 << 61
	young, old := bursty(t, Config{MaxSize: 8}), trained(t, Config{MaxSize: 8})
	old.now = years
	old.play(40, 4)
	a, b := young.shadows, old.shadows
	for i := range a.all {
		if x, y := a.all[i].long.mean(), b.all[i].long.mean(); x < 0.999*y || y < 0.999*x {
			t.Errorf("rule %+v: %.3f ms, and %.3f ms with an old clock", a.all[i].rule, x/ms, y/ms)
		}
	}
}

// BenchmarkArrive is what an arrival costs, with shadows and without.
func BenchmarkArrive(b *testing.B) {
	for name, policy := range map[string]Policy{"idle": Idle, "adaptive": Adaptive} {
		b.Run(name, func(b *testing.B) {
			c := New(Config{Policy: policy, MaxSize: 64, Workers: 1})
			requests := make([]Request, 20)
			now := int64(1)
			for i := 0; i < b.N; {
				now += 1000 * ms
				var step Step
				for j := range requests {
					now += ms / 5
					requests[j] = Request{Items: 1}
					c.Arrive(now, &requests[j])
					i++
					if step.Batch == nil {
						step = c.Next(now)
					}
				}
				for step.Batch != nil || step.Again > 0 {
					now = max(now, step.Again)
					if step.Batch != nil {
						now = max(now, ends(step.Batch))
						c.Done(now, step.Batch, false)
						c.Recycle(step.Batch)
					}
					step = c.Next(now)
				}
			}
		})
	}
}

// A shadow that has fallen behind, as one does that is charged more than the
// batches take, does not work all of it off at one arrival.
func TestShadowsDoNotCatchUpForEver(t *testing.T) {
	d := bursty(t, Config{MaxSize: 8})
	for i := range d.shadows.all {
		d.shadows.all[i].sent.size -= 100_000
		d.shadows.due[i] = due{}
	}
	before := d.shadows.all[1].ends[0]
	d.arrive(1e6*ms, 0)
	for i := range d.shadows.all {
		s := &d.shadows.all[i]
		if left := d.shadows.met.size - s.sent.size; left > 8 || s.ends[0]-before > 10_000*ms {
			t.Fatalf("shadow %d has %d left and is free at %d, %d before", i, left, s.ends[0], before)
		}
	}
}

// What is larger than a batch is a batch of its own.
func TestShadowsMeetLargeItems(t *testing.T) {
	d := bursty(t, Config{MaxSize: 8})
	before := d.shadows.met.size
	d.Arrive(d.now, &Request{Items: 3, Sizes: []int{5, 1000, 7}})
	if got := d.shadows.met.size - before; got != 5+8+7 {
		t.Errorf("they met %d", got)
	}
}

// After three batches held back in vain a rule is not followed before what has
// come since speaks for it; one request more in a batch ends the count.
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
