package core

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// A request is admitted if the full batches ahead of it and its own leave it
// within its deadline. Batches of 1 take 10 ms, of 4 take 13 ms, and nothing is
// in doubt.
func TestWhoIsAdmitted(t *testing.T) {
	cases := []struct {
		name    string
		workers int
		queued  int   // behind the full batches that run
		ran     int64 // ms that those have run already
		least   int64 // ms of the smallest deadline that is admitted
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
					d.goes()
				}
				for range c.queued {
					d.arrive(0, 0)
				}
				d.now += c.ran * ms
				why, late := d.Arrive(d.now, &Request{Items: 1, Own: d.now + (c.least+slack)*ms})
				if slack > 0 && why != Admitted || slack < 0 && (why != Late || math.Abs(late-ms) > ms/10) {
					t.Errorf("with %d ms: refusal %d, %.2f ms late", c.least+slack, why, late/ms)
				}
			}
		})
	}
}

// What is usually wrong with the estimate is kept in reserve, twice.
func TestDoubtIsKeptInReserve(t *testing.T) {
	for _, deadline := range []int64{35, 37} {
		d := trained(t, Config{Policy: Idle})
		d.cost.usual = 5 * ms
		d.now += 1000 * ms
		for range 4 {
			d.arrive(0, 0)
		}
		d.goes()
		want := Late
		if deadline > 13+13+10 {
			want = Admitted
		}
		if why, _ := d.Arrive(d.now, &Request{Items: 1, Own: d.now + deadline*ms}); why != want {
			t.Errorf("with %d ms: refusal %d, want %d", deadline, why, want)
		}
	}
}

// A full queue says when there will be room, and is never too full for one
// request alone.
func TestQueueFull(t *testing.T) {
	d := trained(t, Config{Policy: Idle, MaxQueue: 6})
	d.now += 1000 * ms
	for range 4 {
		d.arrive(0, 0)
	}
	d.goes()
	if why, _ := d.Arrive(d.now, &Request{Items: 50}); why != Admitted {
		t.Errorf("a large request, alone: refusal %d", why)
	}
	d = trained(t, Config{Policy: Idle, MaxQueue: 6})
	d.now += 1000 * ms
	for range 4 {
		d.arrive(0, 0)
	}
	d.goes()
	for range 6 {
		d.arrive(0, 0)
	}
	for items, want := range map[int]float64{1: 13 + 13, 4: 13 + 13, 5: 13 + 26} {
		if why, after := d.Arrive(d.now, &Request{Items: items}); why != QueueFull || math.Abs(after-want*ms) > ms {
			t.Errorf("%d items: refusal %d, room in %.2f ms, want %.2f", items, why, after/ms, want)
		}
	}
}

// Where a whole batch of others waits, one that would be late by the usual
// error of the estimate gives its place up; where none does, it goes.
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

// Sizes and workers can change while shadows run; their rules change with them.
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

// The shortcut finds what going through the queue would.
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

// With batching off, each that is ahead is a batch, or several.
func TestWhoIsAdmittedAlone(t *testing.T) {
	for _, c := range []struct {
		ahead, items int   // requests of one item ahead, and items of this one
		least        int64 // ms of the smallest deadline that is admitted
	}{
		{0, 1, 10 + 10},          // one runs
		{2, 1, 10 + 2*10 + 10},   // two more ahead
		{2, 4, 10 + 2*10 + 13},   // a larger one
		{1, 9, 10 + 3*10 + 13},   // of three batches itself: two full ones count as what is ahead
		{3, 4, 10 + 3*10 + 13},   //
		{5, 13, 10 + 8*10 + 13},  //
		{10, 1, 10 + 10*10 + 10}, //
	} {
		for _, slack := range []int64{-1, 1} {
			d := trained(t, Config{Policy: Idle, Disabled: true})
			d.cost.usual, d.cost.a, d.cost.b = 0, 9*ms, ms
			d.now += 1000 * ms
			d.arrive(0, 0)
			d.goes()
			for range c.ahead {
				d.arrive(0, 0)
			}
			why, _ := d.Arrive(d.now, &Request{Items: c.items, Own: d.now + (c.least+slack)*ms})
			if (why == Admitted) != (slack > 0) {
				t.Errorf("%d ahead, %d items, %d ms: refusal %d", c.ahead, c.items, c.least+slack, why)
			}
		}
	}
	if got := nth([]float64{5, 7}, 3, 0); got != 5 {
		t.Errorf("batches that take no time start at %f", got)
	}
}

// At a light load nobody is refused: a batch that is still to be filled is not
// reckoned as large as the configuration allows, but as batches are.
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
					t.Fatalf("%.0f ms an item: refusal %d, %.1f ms late", slope, why, late/ms)
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

// Requests that are batches each are reckoned so.
func TestAloneIsNotFilledUp(t *testing.T) {
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
			t.Fatalf("%d: refusal %d, %.1f ms late", i, why, late/ms)
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

// What is at the head of the queue is judged by all that is left of it: several
// batches, or one item that is larger than a batch and goes as one.
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
				t.Fatalf("refusal %d", why)
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

// Waiting leaves time for a batch as they are, not for the largest there may be.
func TestWindowWithLargeBatchesAllowed(t *testing.T) {
	d := trained(t, Config{Policy: Window, Window: 20 * ms, MaxSize: 1000})
	d.now += 1000 * ms
	d.arrive(0, 100*ms)
	if step := d.Next(d.now); step.Batch != nil || step.Again != d.now+20*ms {
		t.Errorf("got %+v at %d", step, d.now)
	}
}

// A single large batch is forgotten.
func TestLikelySize(t *testing.T) {
	var c cost
	c.learn(64, 1)
	if got := c.likely(100); got != 100 {
		t.Errorf("after one of 64: %d", got)
	}
	if got := c.likely(1000); got != 128 {
		t.Errorf("after one of 64: %d", got)
	}
	for range 300 {
		c.learn(3, 1)
	}
	if got := c.likely(100); got != 6 {
		t.Errorf("after many of 3: %d", got)
	}
}

// What a request takes alone: rounds of full batches on all workers, and what is
// left. Batches of n take 9 + n ms.
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

// One full batch on an idle machine is tried; one item more is several batches.
func TestWhatIsTried(t *testing.T) {
	for items, want := range map[int]Refusal{4: Admitted, 5: TooMany} {
		d := trained(t, Config{MaxLatency: 5 * ms})
		if why, _ := d.Arrive(d.now, &Request{Items: items}); why != want {
			t.Errorf("%d items: refusal %d, want %d", items, why, want)
		}
	}
	d := trained(t, Config{MaxLatency: 5 * ms})
	if why, _ := d.Arrive(d.now, &Request{Items: 1, Sizes: []int{50}}); why != Admitted {
		t.Errorf("one large item: refusal %d", why)
	}
}
