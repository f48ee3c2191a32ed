package batcher

import "math/bits"

// search finds the items that make a batch fail: it calls the function with halves
// of the batch.
type search[In, Out any] struct {
	b      *Batcher[In, Out]
	lane   *lane[In, Out]
	out    []Out
	errs   Errors
	failed int // failed calls in a row
}

// isolate returns the results of the items that do not fail, and Errors for those
// that do. err is the error of the whole batch.
func (b *Batcher[In, Out]) isolate(l *lane[In, Out], err error) ([]Out, error) {
	s := &search[In, Out]{b: b, lane: l, out: make([]Out, len(l.items)), errs: make(Errors, len(l.items))}
	if s.over() {
		return nil, err
	}
	s.halves(0, len(l.items), err)
	if s.errs.none() {
		return s.out, nil // the halves did not fail
	}
	return s.out, s.errs
}

// over reports whether the search must stop: all callers have left or are late, or
// more calls in a row failed than one bad item can explain.
func (s *search[In, Out]) over() bool {
	patience := bits.Len(uint(len(s.lane.items))) + 4
	return s.failed >= patience || s.lane.ctx.Err() != nil || s.b.now() >= s.lane.until
}

// halves tries both halves of items[from:to], which failed with err.
func (s *search[In, Out]) halves(from, to int, err error) {
	half := from + (to-from)/2
	s.try(from, half, err)
	s.try(half, to, err)
}

// try calls the function with items[from:to]. If it fails, try calls it with halves
// of these items. If the search is over, try does not call the function: the items
// fail with before, the error of the call that they were in before.
func (s *search[In, Out]) try(from, to int, before error) {
	if s.over() {
		fill(s.errs[from:to], before)
		return
	}
	out, err := s.b.invoke(s.lane.ctx.slice(from, to), s.lane.items[from:to])
	copy(s.out[from:to], out)
	if err == nil {
		s.failed = 0
		return
	}
	s.failed++
	switch errs := single(err); {
	case errs != nil:
		copy(s.errs[from:to], errs)
	case to-from == 1:
		s.errs[from] = err
	default:
		s.halves(from, to, err)
	}
}

func fill(errs Errors, err error) {
	for i := range errs {
		errs[i] = err
	}
}
