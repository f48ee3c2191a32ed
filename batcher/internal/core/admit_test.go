package core

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// A request is admitted if the full batches ahead of it, and its own, end before
// its deadline. Batches of 1 take exactly 10 ms, batches of 4 exactly 13 ms.
func TestWhoIsAdmitted(t *testing.T) {
	cases := []struct {
		name    string
		workers int
		queued  int   // behind the full batches that run
		ran     int64 // ms since the running batches started
		least   int64 // smallest deadline that is admitted, in ms
	}{
		{"behind a batch", 1, 0, 0, 13 + 13}, // others may fill its batch
		{"behind half a batch", 1, 0, 6, 7 + 13},
		{"behind one that takes longer than expected", 1, 0, 20, 10},
		{"last of the next batch", 1, 3, 0, 13 + 13},
		{"first of the one after it", 1, 4, 0, 13 + 13 + 13},
		{"third batch", 1, 9, 0, 13 + 3*13},
		{"two workers, the first that is free", 2, 0, 0, 13 + 13},
		{"two workers, second batch", 2, 4, 0, 13 + 13},
		{"two workers, third batch", 2, 8, 0, 13 + 2*13},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, slack := range []int64{-1, 1} {
				d := trained(t, Config{Policy: Idle, Workers: c.workers})
				d.cost.usual = 0
				d.now += 1000 * ms
				for range c.workers {
					for range 4 {
						d.arrive(0, 0)
					}
					d.sends()
				}
				for range c.queued {
					d.arrive(0, 0)
				}
				d.now += c.ran * ms
				why, late := d.Arrive(d.now, &Request{Items: 1, Own: d.now + (c.least+slack)*ms})
				if slack > 0 && why != Admitted || slack < 0 && (why != Late || math.Abs(late-ms) > ms/10) {
					t.Errorf("with %d ms: refusal %s, %.2f ms late", c.least+slack, why, late/ms)
				}
			}
		})
	}
}

// With batching disabled, each request ahead is one batch or several.
func TestWhoIsAdmittedIfDisabled(t *testing.T) {
	for _, c := range []struct {
		ahead, items int   // requests of one item ahead, and items of this one
		least        int64 // ms of the smallest deadline that is admitted
	}{
		{0, 1, 10 + 10},          // one runs
		{2, 1, 10 + 2*10 + 10},   // two more ahead
		{2, 4, 10 + 2*10 + 13},   // a larger one
		{1, 9, 10 + 3*10 + 13},   // three batches: its first two count as ahead
		{3, 4, 10 + 3*10 + 13},   //
		{5, 13, 10 + 8*10 + 13},  //
		{10, 1, 10 + 10*10 + 10}, //
	} {
		for _, slack := range []int64{-1, 1} {
			d := trained(t, Config{Policy: Idle, Disabled: true})
			d.cost.usual, d.cost.a, d.cost.b = 0, 9*ms, ms
			d.now += 1000 * ms
			d.arrive(0, 0)
			d.sends()
			for range c.ahead {
				d.arrive(0, 0)
			}
			why, _ := d.Arrive(d.now, &Request{Items: c.items, Own: d.now + (c.least+slack)*ms})
			if (why == Admitted) != (slack > 0) {
				t.Errorf("%d ahead, %d items, %d ms: refusal %s", c.ahead, c.items, c.least+slack, why)
			}
		}
	}
	if got := nth([]float64{5, 7}, 3, 0); got != 5 {
		t.Errorf("batches that take no time start at %f", got)
	}
}

// Twice the usual error of the estimate is kept in reserve.
func TestDoubtIsKeptInReserve(t *testing.T) {
	for _, deadline := range []int64{35, 37} {
		d := trained(t, Config{Policy: Idle})
		d.cost.usual = 5 * ms
		d.now += 1000 * ms
		for range 4 {
			d.arrive(0, 0)
		}
		d.sends()
		want := Late
		if deadline > 13+13+10 {
			want = Admitted
		}
		if why, _ := d.Arrive(d.now, &Request{Items: 1, Own: d.now + deadline*ms}); why != want {
			t.Errorf("with %d ms: refusal %s, want %s", deadline, why, want)
		}
	}
}

// A full queue says when there will be room. A request of any size is admitted
// to an empty queue.
func TestQueueFull(t *testing.T) {
	d := trained(t, Config{Policy: Idle, MaxQueue: 6})
	d.now += 1000 * ms
	for range 4 {
		d.arrive(0, 0)
	}
	d.sends()
	if why, _ := d.Arrive(d.now, &Request{Items: 50}); why != Admitted {
		t.Errorf("a large request, alone: refusal %s", why)
	}
	d = trained(t, Config{Policy: Idle, MaxQueue: 6})
	d.now += 1000 * ms
	for range 4 {
		d.arrive(0, 0)
	}
	d.sends()
	for range 6 {
		d.arrive(0, 0)
	}
	for items, want := range map[int]float64{1: 13 + 13, 4: 13 + 13, 5: 13 + 26} {
		if why, after := d.Arrive(d.now, &Request{Items: items}); why != QueueFull || math.Abs(after-want*ms) > ms {
			t.Errorf("%d items: refusal %s, room in %.2f ms, want %.2f", items, why, after/ms, want)
		}
	}
}

// An estimate that would refuse every request is tested.
func TestATrialIsAdmitted(t *testing.T) {
	d := trained(t, Config{Policy: Idle, MaxLatency: 5 * ms})
	d.now += 1000 * ms
	r := d.arrive(0, 0)
	if b := d.sends(); b.Parts[0].Request != r {
		t.Error("another one went")
	}
	if why, after := d.Arrive(d.now, &Request{Items: 1}); why != Late || after <= 0 {
		t.Errorf("got %s, %f", why, after)
	}
}

// A list that would be refused even with an empty queue gets the same reason behind
// others as alone.
func TestTooMany(t *testing.T) {
	for _, test := range []struct {
		items    int
		deadline int64 // ms
		busy     bool
		want     Refusal
	}{
		{8, 25, false, TooMany}, {8, 25, true, TooMany}, // 13 + 13 are expected
		{8, 35, false, TooMany}, {8, 35, true, TooMany}, // in time only without the reserve of 2 · 5
		{8, 37, false, Admitted}, {8, 37, true, Late},
		{5, 35, false, TooMany}, {5, 35, true, Late}, // in time only if no request joins its last batch
	} {
		d := trained(t, Config{Policy: Idle})
		d.cost.usual = 5 * ms
		if d.now += ms; test.busy {
			d.arrive(0, 0)
			d.sends()
		}
		if why, after := d.Arrive(d.now, &Request{Items: test.items, Own: d.now + test.deadline*ms}); why != test.want || (after > 0) != (why == Late) {
			t.Errorf("%+v: refusal %s, again after %.0f ms", test, why, after/ms)
		}
	}
}

// A trial on idle workers has one full batch, or one large item.
func TestWhatIsTried(t *testing.T) {
	for items, want := range map[int]Refusal{4: Admitted, 5: TooMany} {
		d := trained(t, Config{MaxLatency: 5 * ms})
		if why, _ := d.Arrive(d.now, &Request{Items: items}); why != want {
			t.Errorf("%d items: refusal %s, want %s", items, why, want)
		}
	}
	d := trained(t, Config{MaxLatency: 5 * ms})
	if why, _ := d.Arrive(d.now, &Request{Items: 1, Sizes: []int{50}}); why != Admitted {
		t.Errorf("one large item: refusal %s", why)
	}
}

// Under a light load every request is admitted, because a batch that is not full
// yet is estimated by the sizes of recent batches, not by the largest allowed size.
func TestLightLoad(t *testing.T) {
	for _, slope := range []float64{0, 1} { // milliseconds
		random := rand.New(rand.NewPCG(1, 2))
		d := newDriver(t, Config{MaxSize: 100, MaxLatency: 100 * ms})
		var running *Batch
		next, end := d.now, int64(0)
		for arrived := 0; arrived < 5000; {
			if running != nil && end < next {
				d.now = end
				d.Done(d.now, running, false)
				running = nil
			} else {
				d.now = next
				if why, late := d.Arrive(d.now, &Request{Items: 1}); why != Admitted {
					t.Fatalf("%.0f ms an item: refusal %s, %.1f ms late", slope, why, late/ms)
				}
				arrived++
				next = d.now + int64(random.ExpFloat64()*1000*ms/30)
			}
			if step := d.Next(d.now); step.Batch != nil {
				running, end = step.Batch, d.now+int64((10+slope*float64(step.Batch.Size)+6*(random.Float64()-0.5))*ms)
			} else if len(step.Expired) > 0 {
				t.Fatal("one was admitted and refused")
			}
		}
	}
}

// alone adds the time of rounds of full batches on all workers and of the remaining
// items. Batches of n items take 9 + n ms.
func TestAlone(t *testing.T) {
	for _, test := range []struct {
		workers, items int
		sizes          []int
		taken          int
		want           float64
	}{
		{1, 1, nil, 0, 10}, {1, 4, nil, 0, 13}, {1, 5, nil, 0, 13 + 10}, {1, 8, nil, 0, 13 + 13}, {1, 12, nil, 4, 13 + 13},
		{2, 8, nil, 0, 13}, {2, 12, nil, 0, 13 + 13}, {3, 13, nil, 0, 13 + 10}, {1, 1, []int{40}, 0, 49}, {1, 3, []int{1, 1, 40}, 2, 49},
	} {
		d := trained(t, Config{Workers: test.workers})
		if got := d.alone(&Request{Items: test.items, Sizes: test.sizes, taken: test.taken}) / ms; math.Abs(got-test.want) > 0.1 {
			t.Errorf("%+v: %.1f ms", test, got)
		}
	}
}

// nth returns the same time as a loop over the queue.
func TestNth(t *testing.T) {
	for _, starts := range [][]float64{{0}, {7}, {0, 0}, {3, 100}, {0, 2.5, 9, 1000}} {
		for index := range 300 {
			free := slices.Clone(starts)
			for range index {
				at := slices.Index(free, slices.Min(free))
				free[at] += 10
			}
			if got, want := nth(starts, index, 10), slices.Min(free); math.Abs(got-want) > 0.02 {
				t.Errorf("%v: batch %d starts at %.2f, want %.2f", starts, index, got, want)
			}
		}
	}
	if got := nth([]float64{0, 0}, 2_000_000_000, 1); math.Abs(got-1e9) > 1 {
		t.Errorf("got %f", got)
	}
}

// An estimate looks at no more idle workers than there are batches to start.
func TestIdleWorkersCostNothing(t *testing.T) {
	d := trained(t, Config{Policy: Idle, Workers: 1 << 20})
	d.arrive(0, 1000*ms)
	d.arrive(0, 1000*ms)
	if n := len(d.starts); n != 1 {
		t.Errorf("an estimate looked at %d workers", n)
	}
}

// The shadows count an item that is larger than a batch as a full batch.
func TestShadowsCountLargeItems(t *testing.T) {
	d := bursty(t, Config{MaxSize: 8})
	before := d.shadows.met.size
	d.Arrive(d.now, &Request{Items: 3, Sizes: []int{5, 1000, 7}})
	if got := d.shadows.met.size - before; got != 5+8+7 {
		t.Errorf("they met %d", got)
	}
}
