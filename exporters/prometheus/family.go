package prometheus

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
)

// family is one TYPE line and the series under it, of whatever scopes.
type family struct {
	name string
	kind kind
	help string
	rank int

	series   []*series // sorted by their labels unless unsorted
	unsorted bool
	now      uint64
	counted  uint64 // the scrape in which it was last counted as broken
	open     openForm
	samples  []string
}

// sampleNames returns the names that the family's samples have, and its own:
// none of them may be another family's.
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

// sort orders the series by their labels: the SDK hands them over in no order,
// and a page whose lines jump about can be neither compared nor compressed.
// Labels that two streams share fall together, the earlier stream's first.
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

// each calls use for each series of f in this scrape. The series are sorted, so
// that those with the same labels stand side by side: one that has boundaries
// comes with its exponential form, if there is one; any other is left out.
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

// sweep forgets what was not in this scrape. The SDK forgets no series of a
// synchronous instrument, so that there is mostly nothing to do.
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

// arrange lists the families that have series in the page's order, without
// those that have a name that an earlier one's samples have.
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

// openForm is what OpenMetrics calls a family in this scrape.
type openForm struct {
	name     string
	kind     kind
	hiddenBy *family // which has the name needs; nil: the family is not hidden
	needs    string
}

// nameOpen chooses the names for OpenMetrics, where a counter's family lacks
// _total, and where _created belongs to every counter, histogram and summary.
//
// A counter whose names are taken, or whose name does not end in _total, becomes
// a family of type unknown under its full name: that loses no sample. Of two
// other families that need one name the later is left out.
func (x *index) nameOpen() {
	for _, f := range x.listed {
		f.open = openForm{name: f.name, kind: f.kind}
	}
	for _, f := range x.listed {
		if f.kind == counter || f.kind == gauge {
			continue
		}
		created := f.name + "_created"
		other := x.names[created]
		switch {
		case other == nil:
			x.names[created] = f
		case other.rank < f.rank:
			f.open.hiddenBy, f.open.needs = other, created
		default:
			other.open.hiddenBy, other.open.needs = f, created
		}
	}
	for _, f := range x.listed {
		if f.kind != counter {
			continue
		}
		short, ok := strings.CutSuffix(f.name, "_total")
		if !ok || x.names[short] != nil || x.names[short+"_created"] != nil {
			f.open.kind = unknown
			continue
		}
		x.names[short], x.names[short+"_created"] = f, f
		f.open.name = short
	}
}

// claim takes the names of f's samples, all of them or none.
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
