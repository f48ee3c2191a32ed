package prometheus

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
)

// family is one TYPE line and its series, of any scopes.
type family struct {
	name string
	kind kind
	help string
	rank int // its place on /metrics; see catalogue

	series   []*series // sorted by their labels unless unsorted
	unsorted bool
	now      uint64 // the last collection in which it had data
	counted  uint64 // the last collection in which it was counted as broken
	open     openForm
	samples  []string // see sampleNames; nil: not made yet
}

// sampleNames returns the name of f and the names of its samples. No other family may
// use any of them.
func (f *family) sampleNames() []string {
	if f.samples == nil {
		switch f.kind {
		case histogram:
			f.samples = []string{f.name, f.name + "_sum", f.name + "_bucket", f.name + "_count"}
		case summary:
			f.samples = []string{f.name, f.name + "_sum", f.name + "_count"}
		default:
			f.samples = []string{f.name}
		}
	}
	return f.samples
}

// sort sorts the series by their labels. The SDK returns them in random order; a
// stable order compresses well and can be compared. Series with equal labels are
// adjacent, the one of the earlier stream first.
func (f *family) sort() {
	if !f.unsorted {
		return
	}
	slices.SortStableFunc(f.series, func(a, b *series) int {
		if a.exponential() == b.exponential() || a.labels.text != b.labels.text {
			return strings.Compare(a.labels.text, b.labels.text)
		}
		if a.exponential() {
			return 1
		}
		return -1
	})
	f.unsorted = false
}

// each calls the function use for each series of f in this collection. exponential is the
// exponential form of a series with boundaries, or nil. Any other second series with
// the same labels is reported and left out.
func (x *index) each(f *family, use func(s, exponential *series) error) error {
	var s, exponential *series
	for _, next := range f.series {
		switch {
		case next.now != x.now:
		case s == nil || s.labels.text != next.labels.text:
			if s != nil {
				if err := use(s, exponential); err != nil {
					return err
				}
			}
			s, exponential = next, nil
		case next.exponential() && exponential == nil && !s.exponential():
			exponential = next
		default:
			x.broken(f, "series {"+s.labels.text+"} must be recorded once, found again in scope "+
				next.stream.key.scope.id.Name+"; the later one is left out")
		}
	}
	if s == nil {
		return nil
	}
	return use(s, exponential)
}

// sweep drops streams and series that this collection does not have. Usually there
// are none, because the SDK never drops a series of a synchronous instrument.
func (x *index) sweep() {
	gone := len(x.streams) != len(x.live)
	for _, st := range x.live {
		gone = gone || len(st.series) > st.data.len()
	}
	if len(x.scopes) != len(x.order) {
		maps.DeleteFunc(x.scopes, func(_ instrumentation.Scope, sc *scope) bool { return sc.now != x.now })
	}
	if !gone {
		return
	}
	maps.DeleteFunc(x.streams, func(_ streamKey, st *stream) bool { return st.now != x.now })
	for _, st := range x.live {
		maps.DeleteFunc(st.series, func(_ attribute.Distinct, s *series) bool { return s.now != x.now })
	}
	maps.DeleteFunc(x.families, func(_ string, f *family) bool { return f.now != x.now })
	for _, f := range x.families {
		f.series = slices.DeleteFunc(f.series, func(s *series) bool { return s.now != x.now })
	}
}

// arrange lists the families with series in the order of /metrics. It leaves out
// a family if an earlier one has one of its names.
func (x *index) arrange() {
	for _, f := range x.families {
		if f.now == x.now && len(f.series) > 0 {
			x.listed = append(x.listed, f)
		}
	}
	x.version = x.catalogue.refresh(x.families, x.version)
	slices.SortFunc(x.listed, func(a, b *family) int { return cmp.Compare(a.rank, b.rank) })
	clear(x.names)
	x.listed = slices.DeleteFunc(x.listed, func(f *family) bool { return !x.claim(f) })
	for _, f := range x.listed {
		f.sort()
	}
	x.nameOpen()
}

// claim takes the names of f's samples, all of them or none. Series of two families
// with one sample name could not be told apart.
func (x *index) claim(f *family) bool {
	for _, name := range f.sampleNames() {
		if other := x.names[name]; other != nil {
			x.broken(f, string(f.kind)+" needs the name "+name+", which is taken by the "+
				string(other.kind)+" "+other.name+"; it is left out")
			return false
		}
	}
	for _, name := range f.sampleNames() {
		x.names[name] = f
	}
	return true
}
