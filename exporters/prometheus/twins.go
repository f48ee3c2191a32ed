package prometheus

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
)

// compareSets orders sets of attributes by their keys, types and values. Sets whose
// labels are equal always have the same order, so the sum of twins does not change by
// rounding from one collection to the next.
func compareSets(a, b *attribute.Set) int {
	return slices.CompareFunc(a.ToSlice(), b.ToSlice(), func(a, b attribute.KeyValue) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value.Type(), b.Value.Type()),
			cmp.Compare(fmt.Sprintf("%#v", a.Value.AsInterface()), fmt.Sprintf("%#v", b.Value.AsInterface())))
	})
}

// load makes e.point the point of the twins in list: their sum. Of gauges, it is the
// one with the latest time, or the last of these in the order of [compareSets]. Points
// that no format can express are reported and left out; if none is left, load
// returns false.
func (e *encoder) load(x *index, f *family, list []*series) bool {
	loaded := false
	for _, s := range list {
		p := &e.point
		if loaded {
			p = &e.twin
		}
		s.stream.data.load(p, s.at)
		err := p.check(f.kind, &s.stream.les)
		if err == nil && loaded {
			err = e.add(x, f, s)
		}
		if err != nil {
			x.broken(f, "series {"+s.labels.text+"} "+err.Error()+"; it is left out")
			continue
		}
		loaded = true
	}
	return loaded
}

var errBounds = errors.New("must have the boundaries of the series with equal labels")

// add adds e.twin, the point of s, to e.point. Values of gauges cannot be added: the one
// that is left out is reported.
func (e *encoder) add(x *index, f *family, s *series) error {
	p, t := &e.point, &e.twin
	if s.stream.key.shape.form == otlptranslator.MetricTypeGauge {
		x.broken(f, "series {"+s.labels.text+"} must be recorded with one set of attributes, found several whose labels are equal; one value is written")
		if !t.time.Before(p.time) {
			e.point, e.twin = e.twin, e.point
		}
		return nil
	}
	if !slices.Equal(p.bounds, t.bounds) {
		return errBounds
	}
	// The counts belong to the SDK, and the next format reads them again.
	e.counts = append(e.counts[:0], p.counts...)
	for i := range t.bounds {
		e.counts[i] += t.counts[i]
	}
	p.counts = e.counts
	p.value += t.value
	p.count += t.count
	if t.start.Before(p.start) {
		p.start = t.start
	}
	p.exemplars = append(p.exemplars, t.exemplars...)
	return nil
}
