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
// adjacent, those in exponential form last, those of the earlier stream first.
func (f *family) sort() {
	if !f.unsorted {
		return
	}
	slices.SortFunc(f.series, func(a, b *series) int {
		if order := strings.Compare(a.labels.key, b.labels.key); order != 0 {
			return order
		}
		if a.exponential() != b.exponential() {
			if a.exponential() {
				return 1
			}
			return -1
		}
		if a.stream != b.stream {
			return cmp.Compare(a.stream.born, b.stream.born)
		}
		return compareSets(a.stream.data.attributes(a.at), b.stream.data.attributes(b.at))
	})
	f.unsorted = false
}

// twins are the series that are one series on /metrics, because their labels are equal
// there: those with boundaries, and those in exponential form. All series of one
// form are of one stream. At least one form has series.
type twins struct{ plain, exponential []*series }

// main returns the series whose values the text formats have.
func (t twins) main() []*series {
	if len(t.plain) == 0 {
		return t.exponential
	}
	return t.plain
}

// each calls the function use for the series of f in this collection. Series of
// one stream with the same labels are twins. A series with the same labels of another
// stream, other than the exponential form of one with boundaries, is reported and
// left out.
func (x *index) each(f *family, use func(twins) error) error {
	for rest := f.series; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].labels.key == rest[0].labels.key {
			n++
		}
		if err := use(x.twins(f, rest[:n])); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// twins returns those in list, which has the series with the same labels.
func (x *index) twins(f *family, list []*series) twins {
	of := func(from int) int {
		n := from + 1
		for n < len(list) && list[n].stream == list[from].stream {
			n++
		}
		return n
	}
	end := of(0)
	if list[0].exponential() {
		x.extra(f, list[end:])
		return twins{exponential: list[:end]}
	}
	all := twins{plain: list[:end]}
	rest := list[end:]
	if i := slices.IndexFunc(rest, (*series).exponential); i >= 0 {
		x.extra(f, rest[:i])
		all.exponential = list[end+i : of(end+i)]
		rest = list[of(end+i):]
	}
	x.extra(f, rest)
	return all
}

// extra reports series that are left out.
func (x *index) extra(f *family, list []*series) {
	for _, s := range list {
		x.broken(f, "series {"+s.labels.text+"} must be recorded once, found again in scope "+
			s.stream.key.scope.id.Name+"; the later one is left out")
	}
}

// sweep drops streams and series that this collection does not have. Usually there
// are none, because the SDK never drops a series of a synchronous instrument.
func (x *index) sweep() {
	gone := len(x.streams) != len(x.live)
	for _, st := range x.live {
		gone = gone || len(st.series) > st.found
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
