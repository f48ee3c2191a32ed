package core

import (
	"math"
	"testing"
)

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
		d.Done(d.now+5, d.sends(), true)
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

// Neither a nor b becomes negative. Batches of one size do not change the
// slope.
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
	d.batch(4, 40*ms) // a line through both sizes would be negative at 0
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

// Sizes that hardly differ do not change the slope.
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
