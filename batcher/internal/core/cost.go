package core

import "math"

// cost estimates the time that a batch of size n takes as a + b·n, in
// nanoseconds.
//
// It fits a line to recent batches by least squares. Older batches have less
// weight, so that the line follows drift. If a batch took far more or less time than
// expected, learn clips its time, so that an outlier does not move the line.
type cost struct {
	w, n, t, nn, nt float64 // weighted sums of 1, n, t, n², n·t
	usual           float64 // weighted mean of the absolute error
	top             float64 // largest recent size
	seen            int     // batches
	a, b            float64
}

const (
	memory = 1 - 1.0/48 // weight of a batch relative to the next one
	clip   = 4          // the largest error that counts, as a multiple of the usual error
	enough = 2          // batches that are needed for an estimate
)

// known reports whether there is an estimate.
func (c *cost) known() bool { return c.seen >= enough }

// of returns the estimate for size n; 0 if there is none.
func (c *cost) of(n int) float64 { return c.a + c.b*float64(n) }

// likely returns the expected size of a batch that is not full yet: most, or twice
// the largest recent size if that is less. The line is not reliable for sizes that
// are far larger than those of recent batches. Besides, traffic that has filled no
// recent batch will not fill this one.
func (c *cost) likely(most int) int { return int(min(float64(most), math.Ceil(2*c.top))) }

// learn adds a batch of size n that took t.
func (c *cost) learn(n int, t float64) {
	x := float64(n)
	if c.seen == 1 && t < c.t/2 {
		*c = cost{} // the first one was a warm-up
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

// fit computes the line. Neither a nor b is negative. If all batches had about
// the same size, they do not show the slope b, and it is kept.
func (c *cost) fit() {
	mean, meanT := c.n/c.w, c.t/c.w
	spread := c.nn/c.w - mean*mean
	if spread > 1e-3*mean*mean {
		c.b = (c.nt/c.w - mean*meanT) / spread
	}
	c.b = math.Min(math.Max(c.b, 0), meanT/mean)
	c.a = meanT - c.b*mean
}
