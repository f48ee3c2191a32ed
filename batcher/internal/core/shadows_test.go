package core

import (
	"math"
	"testing"
)

// The best rule is followed while its long and its short score are good enough. It
// is chosen again after some requests.
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
	set(3, 98, 96) // its gain is too small
	is(trusted+1, 0)
	set(3, 96, 104) // recent requests took too long
	is(trusted+2, 0)
	set(3, 96, 96)
	set(5, 90, 90)
	is(trusted+review-1, 3)
	is(trusted+review, 5)
	set(6, 89.9, 90) // hardly better
	is(trusted+2*review, 5)
	set(6, 89, 90)
	is(trusted+3*review, 6)
	s.distrust() // resets the short scores
	is(trusted+3*review+1, 0)
	for i := range s.all {
		s.all[i].short = score{100 * trusted, trusted}
	}
	is(trusted+3*review+2, 0) // a score that is no worse proves nothing
	s.all[6].short = score{96 * trusted, trusted}
	is(trusted+3*review+3, 6)
	s.all[6].short = score{100 * trusted, trusted}
	is(trusted+3*review+4, 6) // once it has proved itself, it need not be better for ever
	s.all[0].long = score{}   // no request has been sent yet
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

// BenchmarkArrive measures an arrival, with shadows and without.
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
