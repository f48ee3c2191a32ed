package core

import "math"

// cost learns what a batch of n takes, as a + b·n, from what batches took.
//
// It is least squares over the recent past: each batch weighs a little less
// than the one after it, so that drift is followed, and one that took far more
// or less than expected counts only as far as is usual, so that an outlier does
// not move the line.
type cost struct {
	w, n, t, nn, nt float64 // weighted sums: of 1, n, t, n², n·t
	usual           float64 // mean absolute error, weighted alike
	top             float64 // largest size of late
	seen            int
	a, b            float64
}

const (
	memory = 1 - 1.0/48 // weight of the batch before, beside the one just seen
	clip   = 4          // usual errors that a batch may be off and still count in full
	enough = 2          // batches before there is an estimate
)

// known reports whether there is an estimate.
func (c *cost) known() bool { return c.seen >= enough }

// of returns the expected time of a batch of size n, in nanoseconds; 0 while
// nothing is known.
func (c *cost) of(n int) float64 { return c.a + c.b*float64(n) }

// likely is the size to reckon with of a batch that is still to be filled, of
// most at most: twice as large as any of late. The line is not to be trusted far
// beyond what was seen, and traffic that fills no batch will not fill this one.
func (c *cost) likely(most int) int { return int(min(float64(most), math.Ceil(2*c.top))) }

// learn takes a batch of size n that took t nanoseconds.
func (c *cost) learn(n int, t float64) {
	x := float64(n)
	if c.seen == 1 && t < c.t/2 {
		*c = cost{} // the first one was warming up
	}
	if c.seen >= 8 {
		expected := c.of(n)
		limit := clip * math.Max(c.usual, 0.01*expected)
		t = math.Min(math.Max(t, expected-limit), expected+limit)
	}
	if c.known() {
		c.usual = memory*c.usual + (1-memory)*math.Abs(t-c.of(n))
	}
	c.seen++
	c.top = math.Max(memory*c.top, x)
	c.w = memory*c.w + 1
	c.n = memory*c.n + x
	c.t = memory*c.t + t
	c.nn = memory*c.nn + x*x
	c.nt = memory*c.nt + x*t
	c.fit()
}

// fit solves for the line. Neither number can be negative; where all batches
// were of one size, the slope cannot be told, and is kept.
func (c *cost) fit() {
	mean, meanT := c.n/c.w, c.t/c.w
	spread := c.nn/c.w - mean*mean
	if spread > 1e-3*mean*mean {
		c.b = (c.nt/c.w - mean*meanT) / spread
	}
	c.b = math.Min(math.Max(c.b, 0), meanT/mean)
	c.a = meanT - c.b*mean
}
