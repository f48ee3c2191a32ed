package core

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// naive serves arrivals by a rule, one event after the other, and returns the
// score that a shadow should have.
func naive(r rule, arrivals []int64, workers, most int, c *cost) (long score) {
	ends := make([]int64, workers)
	for len(arrivals) > 0 {
		slices.Sort(ends)
		// The batch goes at the first moment at which its rule lets it.
		at := max(arrivals[0], ends[0])
		var queued []int64
		for {
			queued = queued[:0]
			next := int64(math.MaxInt64)
			for _, a := range arrivals {
				if a <= at {
					queued = append(queued, a)
				} else {
					next = min(next, a)
				}
			}
			free := 0
			for _, end := range ends {
				if end <= at {
					free++
				}
			}
			until := queued[0] + int64(r.oldest*c.a)
			if r.latest > 0 {
				until = min(until, max(queued[len(queued)-1], ends[0])+int64(r.latest*c.a))
			}
			if len(queued) >= min(r.enough, most) || free > 1 || at >= until {
				break
			}
			for _, end := range ends {
				if end > at {
					next = min(next, end)
				}
			}
			at = min(next, until)
		}
		n := min(len(queued), most)
		end := at + int64(c.of(n))
		total := 0.0
		for _, a := range queued[:n] {
			total += float64(end - a)
		}
		long.add(total, float64(n), longMemory)
		ends[0] = end
		arrivals = arrivals[n:]
	}
	return long
}

// Shadows do what their rules say, with any number of workers.
func TestShadowsKeepTheirRules(t *testing.T) {
	c := &cost{a: 10 * ms, b: 1 * ms, seen: 10}
	for workers := 1; workers <= 3; workers++ {
		random := rand.New(rand.NewPCG(1, uint64(workers)))
		var arrivals []int64
		now := int64(1)
		for range 300 {
			now += int64(random.ExpFloat64() * 30 * ms)
			for range 1 + random.IntN(9) {
				now += int64(random.ExpFloat64() * 0.4 * ms)
				arrivals = append(arrivals, now)
			}
		}
		const most = 400 // a queue that is cut keeps averages only
		s := newShadows(24, workers)
		s.all = append(s.all, shadow{rule: rule{enough: most, oldest: 0.7, latest: 0.03}, ends: make([]int64, workers)})
		s.due = append(s.due, due{})
		for _, at := range arrivals {
			s.arrive(at, 1, most, c)
		}
		s.arrive(math.MaxInt64/2, 1, most, c) // and everything before has gone
		for i := range s.all {
			want := naive(s.all[i].rule, arrivals, workers, most, c)
			if got := s.all[i].long.mean(); math.Abs(got-want.mean()) > 1e-6*want.mean() {
				t.Errorf("%d workers, %+v: %.4f ms, want %.4f", workers, s.all[i].rule, got/ms, want.mean()/ms)
			}
		}
	}
}

func TestRules(t *testing.T) {
	var sizes []int
	var held, silent []float64
	for i, r := range rules(32) {
		switch {
		case i == 0 && r != rule{enough: 1}:
			t.Errorf("the first rule is %+v", r)
		case r.latest > 0:
			silent = append(silent, r.latest)
			if r.enough != 32 || r.oldest != 1 {
				t.Errorf("got %+v", r)
			}
		case i > 0:
			sizes, held = append(sizes, r.enough), append(held, r.oldest)
		}
	}
	if got := slices.Compact(sizes); !slices.Equal(got, []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18, 20, 22, 25, 28, 32}) {
		t.Errorf("sizes %v", got)
	}
	if !slices.Equal(held[:5], []float64{.125, .25, .5, 1, 2}) || !slices.Equal(silent, []float64{.015625, .03125, .0625, .125, .25, .5}) {
		t.Errorf("waits %v, silences %v", held[:5], silent)
	}
}

// A rule is followed that promises enough, as long as it keeps its promise, and
// the choice is made again after some requests.
func TestTheBestRuleIsFollowed(t *testing.T) {
	s := newShadows(4, 1)
	set := func(i int, long, short float64) {
		s.all[i].long, s.all[i].short = score{long * 50, 50}, score{short * 7, 7}
	}
	for i := range s.all {
		set(i, 100, 100)
	}
	is := func(met int64, want int) {
		t.Helper()
		s.met.requests = met
		if got := s.choose(); got != &s.all[want].rule {
			t.Errorf("after %d requests the rule is %+v, want %+v", met, got, s.all[want].rule)
		}
	}
	set(3, 96, 96)
	is(trusted-1, 0)
	is(trusted, 3)
	set(3, 98, 96) // promises too little
	is(trusted+1, 0)
	set(3, 96, 104) // has not kept it of late
	is(trusted+2, 0)
	set(3, 96, 96)
	set(5, 90, 90)
	is(trusted+review-1, 3)
	is(trusted+review, 5)
	set(6, 89.9, 90) // hardly better
	is(trusted+2*review, 5)
	set(6, 89, 90)
	is(trusted+3*review, 6)
	s.distrust() // nothing is known of late
	is(trusted+3*review+1, 0)
	for i := range s.all {
		s.all[i].short = score{100 * trusted, trusted}
	}
	is(trusted+3*review+2, 0) // no worse is no proof
	s.all[6].short = score{96 * trusted, trusted}
	is(trusted+3*review+3, 6)
	s.all[6].short = score{100 * trusted, trusted}
	is(trusted+3*review+4, 6) // once it has proved itself, it need not be better for ever
	s.all[0].long = score{}   // nothing has gone yet
	is(trusted+4*review, 0)
}

func TestScore(t *testing.T) {
	var s score
	for range 5000 {
		s.add(3*10, 3, 1000)
	}
	if got := s.mean(); math.Abs(got-10) > 1e-9 || math.Abs(s.weight-1000) > 2 {
		t.Errorf("mean %f of %f", got, s.weight)
	}
	s.add(900*40, 900, 1000) // half of the past is kept at least
	if got := s.mean(); math.Abs(got-(500*10+900*40)/1400.0) > 0.1 {
		t.Errorf("mean %f", got)
	}
}

// Where all batches have one size the slope is kept, and it stays in its
// bounds: neither number of the line is negative.
func TestLineStaysInBounds(t *testing.T) {
	d := newDriver(t, Config{Policy: Idle})
	d.batch(2, 10*ms)
	if d.cost.known() {
		t.Error("one batch is enough")
	}
	d.batch(2, 10*ms)
	if !d.cost.known() || d.cost.b != 0 || math.Abs(d.cost.a-10*ms) > 1 {
		t.Errorf("got %+v", d.cost)
	}
	d.batch(4, 40*ms) // steeper than through 0
	if d.cost.a < 0 || d.cost.b <= 0 {
		t.Errorf("got %+v", d.cost)
	}
	slope := d.cost.b
	for range 400 {
		d.batch(3, 20*ms)
	}
	if d.cost.b <= 0 || d.cost.b > 2*slope || math.Abs(d.Predict(3)-20*ms) > ms {
		t.Errorf("got %+v after a slope of %f", d.cost, slope)
	}
	for range 400 {
		d.batch(1, 20*ms)
		d.batch(4, 10*ms)
	}
	if d.cost.b != 0 {
		t.Errorf("larger batches are quicker: %+v", d.cost)
	}
}

// The last worker that is free is the one that waits.
func TestTheLastFreeWorkerWaits(t *testing.T) {
	d := trained(t, Config{MaxSize: 8, Workers: 2})
	d.play(60, 12)
	d.rule = &rule{enough: 8, oldest: 0.5}
	d.now += 1000 * ms
	d.arrive(0, 0)
	if b := d.goes(); b.Items != 1 {
		t.Errorf("got %+v", b)
	}
	d.arrive(ms, 0)
	if step := d.Next(d.now); step.Batch != nil || step.Again <= d.now {
		t.Errorf("got %+v", step)
	}
}

// What remains of a list leaves with its caller.
func TestPartsLeave(t *testing.T) {
	d := trained(t, Config{Policy: Idle})
	d.now += 1000 * ms
	r := &Request{Items: 10}
	d.Arrive(d.now, r)
	if b := d.goes(); b.Items != 4 {
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

// What remains of a queue after a full batch is held back like any other.
func TestShadowsHoldWhatRemains(t *testing.T) {
	c := &cost{a: 10 * ms, b: 1 * ms, seen: 10}
	s := &shadows{all: []shadow{{rule: rule{enough: 4, oldest: 5}, ends: make([]int64, 1)}}, due: make([]due, 1)}
	for range 4 {
		s.arrive(ms, 1, 4, c)
	}
	for range 6 { // while those four run
		s.arrive(2*ms, 1, 4, c)
	}
	s.arrive(1000*ms, 1, 4, c)
	// The first four take 14 ms, four more the next 14; two wait for 50 and take 12.
	want := ((4*14)*(1-4.0/longMemory)+4*(15+14-2))*(1-2.0/longMemory) + 2*(50+12)
	if got := s.all[0].long.total / ms; math.Abs(got-want) > 0.01 {
		t.Errorf("they waited %.2f ms in all, want %.2f", got, want)
	}
}

// Sizes that hardly differ do not tell the slope.
func TestSlopeIsKept(t *testing.T) {
	c := &cost{}
	for range 50 {
		c.learn(500, 100*ms)
		c.learn(1500, 200*ms)
	}
	slope := c.b
	for i := range 400 {
		c.learn(1000+i%2, float64(150+20*(i%2))*ms)
	}
	if math.Abs(c.b-slope) > slope/10 {
		t.Errorf("the slope went from %f to %f", slope, c.b)
	}
}

// A long queue does not grow for ever, and batches are used again, a few.
func TestMemoryIsBounded(t *testing.T) {
	d := newDriver(t, Config{Policy: Idle, MaxSize: 1})
	d.arrive(0, 0)
	for range 10_000 {
		d.arrive(0, 0)
		b := d.goes()
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

func TestExactlyFull(t *testing.T) {
	d := trained(t, Config{Policy: Idle})
	for range 4 {
		d.arrive(0, 0)
	}
	if b := d.goes(); b.Reason != Full || b.Items != 4 {
		t.Errorf("got %+v", b)
	}
}
