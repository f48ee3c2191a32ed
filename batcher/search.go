package batcher

// search finds which items of a batch that failed are to blame, by trying its
// halves.
type search[In, Out any] struct {
	b        *Batcher[In, Out]
	lane     *lane[In, Out]
	patience int // calls that may fail in a row: more than one bad item makes
	failed   int // calls that did
}

// blame returns the results of the items that are well, and the errors of the
// others; err is that of the batch.
func (s *search[In, Out]) blame(err error) ([]Out, error) {
	items := s.lane.items
	if s.over() {
		return nil, err
	}
	out, errs := make([]Out, len(items)), make(Errors, len(items))
	s.halves(0, items, out, errs, err)
	if errs.none() {
		return out, nil // it failed by chance
	}
	return out, errs
}

// over reports whether nobody waits for what could still be found, or nothing
// can: an outage fails every call.
func (s *search[In, Out]) over() bool {
	return s.failed >= s.patience || s.lane.ctx.Err() != nil || s.b.now() >= s.lane.until
}

// halves tries both halves of items, the first of which is the batch's item
// from, and which failed with err.
func (s *search[In, Out]) halves(from int, items []In, out []Out, errs Errors, err error) {
	half := len(items) / 2
	s.half(from, items[:half], out[:half], errs[:half], err)
	s.half(from+half, items[half:], out[half:], errs[half:], err)
}

func (s *search[In, Out]) half(from int, items []In, out []Out, errs Errors, above error) {
	if s.over() {
		fill(errs, above)
		return
	}
	got, err := s.b.invoke(s.lane.ctx.slice(from, from+len(items)), items)
	named := single(err)
	if err == nil {
		s.failed = 0
	} else {
		s.failed++
	}
	switch {
	case err == nil:
		copy(out, got)
	case named != nil:
		copy(out, got)
		copy(errs, named)
	case len(items) == 1:
		errs[0] = err
	default:
		s.halves(from, items, out, errs, err)
	}
}

func fill(errs Errors, err error) {
	for i := range errs {
		errs[i] = err
	}
}
