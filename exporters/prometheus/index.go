package prometheus

import (
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// index finds the family, the name and the rendered labels of each collected
// point. It keeps them for the next collection, and drops those that were not
// collected again. now is the number of the current collection. Scopes, streams,
// families and series of the current collection have the same number.
type index struct {
	catalogue *catalogue
	report    *report
	scoped    bool // add scope labels

	now      uint64
	version  uint64 // of the catalogue's ranks
	made     int    // streams
	scopes   map[instrumentation.Scope]*scope
	streams  map[streamKey]*stream
	families map[string]*family

	live   []*stream          // of this collection, in order
	listed []*family          // of this collection, in the order of /metrics
	fresh  []*family          // new in this collection
	order  []ordered          // the scopes of this collection, sorted
	names  map[string]*family // of the samples of listed families
}

// streamKey identifies the stream of an instrument across collections. nth counts
// the streams that several views made of one instrument.
type streamKey struct {
	scope      *scope
	name, unit string
	shape      shape
	nth        int
}

// stream is one metric of one scope. Several streams may belong to one family.
type stream struct {
	key    streamKey
	family *family
	born   int // streams that were collected earlier have lower numbers
	series map[attribute.Distinct]*series
	les    boundaries // of a histogram: the rendered le values
	data   points     // of this scrape
	now    uint64
	found  int // series of this collection
}

// series is one label set of a stream; at is the index of its point in this
// collection. A series with illegal labels is kept with its error.
type series struct {
	stream *stream
	labels rendered
	err    error
	at     int
	now    uint64
}

func (s *series) exponential() bool {
	return s.stream.key.shape.form == otlptranslator.MetricTypeExponentialHistogram
}

// newIndex returns an empty index. Each scratch has its own; all share the catalogue, so
// that they agree on the order and the types.
func newIndex(c *catalogue, r *report, scoped bool) index {
	return index{
		catalogue: c, report: r, scoped: scoped,
		scopes:   map[instrumentation.Scope]*scope{},
		streams:  map[streamKey]*stream{},
		families: map[string]*family{},
		names:    map[string]*family{},
	}
}

// update fills the index from rm. It reports metrics and series that it leaves out.
func (x *index) update(rm *metricdata.ResourceMetrics) {
	x.now++
	x.live, x.listed, x.fresh = x.live[:0], x.listed[:0], x.fresh[:0]
	x.sortScopes(rm.ScopeMetrics)
	for _, o := range x.order {
		for i := range rm.ScopeMetrics[o.at].Metrics {
			x.find(o.scope, &rm.ScopeMetrics[o.at].Metrics[i])
		}
	}
	slices.SortFunc(x.fresh, func(a, b *family) int { return strings.Compare(a.name, b.name) })
	x.catalogue.admit(x.fresh)
	for _, st := range x.live {
		x.fill(st)
	}
	x.sweep()
	x.arrange()
}

// find adds the stream of m to the live ones. A metric without points is ignored, so
// that an instrument that records nothing does not decide the type of its family.
func (x *index) find(sc *scope, m *metricdata.Metrics) {
	sh, data, err := adapt(m.Data)
	if data != nil && data.len() == 0 {
		return
	}
	if err == nil {
		err = sc.err
	}
	if err != nil {
		x.report.add(1, "metric "+m.Name+": "+err.Error())
		return
	}
	key := streamKey{scope: sc, name: m.Name, unit: m.Unit, shape: sh}
	st := x.streams[key]
	for st != nil && st.now == x.now {
		key.nth++
		st = x.streams[key]
	}
	if st == nil {
		name, err := familyName(m.Name, m.Unit, sh.form)
		if err != nil {
			x.report.add(1, err.Error())
			return
		}
		x.made++
		st = &stream{key: key, born: x.made, series: map[attribute.Distinct]*series{}}
		st.family = x.family(name, sh.kind, m.Description)
		x.streams[key] = st
	}
	st.now, st.family.now = x.now, x.now
	st.data, st.found = data, 0
	x.live = append(x.live, st)
}

// family returns the family called name, or makes it. The catalogue may replace kind and
// help of a new one by those of its first collection.
func (x *index) family(name string, k kind, help string) *family {
	f, ok := x.families[name]
	if !ok {
		f = &family{name: name, kind: k, help: help}
		x.families[name] = f
		x.fresh = append(x.fresh, f)
	}
	return f
}

// overflow is the label of the series that all attribute sets beyond a limit share, in
// OpenTelemetry's SDK and in package instrument.
const overflow = `otel_metric_overflow="true"`

// fill assigns the points of st to its series. The labels of a series are rendered once
// and kept, because the SDK returns the same attributes in each collection.
func (x *index) fill(st *stream) {
	f := st.family
	if st.key.shape.kind != f.kind {
		x.broken(f, "type must be "+string(f.kind)+", the type of its first collection, found "+
			string(st.key.shape.kind)+" in scope "+st.key.scope.id.Name+"; the latter is left out")
		return
	}
	for i := range st.data.len() {
		attrs := st.data.attributes(i)
		s, ok := st.series[attrs.Equivalent()]
		if !ok {
			s = &series{stream: st}
			s.labels, s.err = render(attrs, st.key.scope.labels, f.kind.special())
			st.series[attrs.Equivalent()] = s
			if strings.Contains(s.labels.text, overflow) {
				x.report.add(0, "family "+f.name+": has more label sets than its limit; all further sets share the series {"+overflow+"}; give its labels fewer values, or raise the limit (metrics.max_series, instrument.MaxSeries)")
			}
			if s.err == nil {
				f.series, f.unsorted = append(f.series, s), true
			}
		}
		if s.now != x.now {
			st.found++
		}
		s.at, s.now = i, x.now
		if s.err != nil {
			x.broken(f, s.err.Error()+"; the series is left out")
		}
	}
}

// broken reports an error of f, and counts f once for each collection.
func (x *index) broken(f *family, text string) {
	n := int64(0)
	if f.counted != x.now {
		f.counted, n = x.now, 1
	}
	x.report.add(n, "family "+f.name+": "+text)
}
