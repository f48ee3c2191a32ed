package prometheus

import (
	"cmp"
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/internal/scopeattr"
)

// index finds the family, the name and the rendered labels of what Collect
// returned. It remembers them from scrape to scrape, and forgets what did not
// come again. now is the number of the scrape; what bears it is alive.
type index struct {
	catalogue *catalogue
	report    *report
	scoped    bool // scope labels are wanted

	now      uint64
	version  uint64 // of the catalogue's ranks
	scopes   map[instrumentation.Scope]*scope
	streams  map[streamKey]*stream
	families map[string]*family

	live   []*stream // of this scrape, in order
	listed []*family // of this scrape, in the order of /metrics
	fresh  []*family
	order  []ordered
	names  map[string]*family
}

// ordered is a scope of this scrape and where its metrics are.
type ordered struct {
	scope *scope
	at    int
}

type scope struct {
	id     instrumentation.Scope
	text   string // the attributes, for the order
	labels []label
	err    error
	now    uint64
}

// streamKey tells one instrument's stream from another across scrapes. nth
// tells those apart that views made of one instrument.
type streamKey struct {
	scope      *scope
	name, unit string
	shape      shape
	nth        int
}

type stream struct {
	key    streamKey
	family *family
	series map[attribute.Distinct]*series
	les    boundaries
	data   points // of this scrape
	now    uint64
}

// series is one label set of a stream; at is its data point in this scrape.
// A series whose labels are not legal is remembered with its error.
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

func newIndex(c *catalogue, r *report, scoped bool) index {
	return index{
		catalogue: c, report: r, scoped: scoped,
		scopes:   map[instrumentation.Scope]*scope{},
		streams:  map[streamKey]*stream{},
		families: map[string]*family{},
		names:    map[string]*family{},
	}
}

// update makes the index that of rm. It reports what it leaves out.
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

// sortScopes orders the scopes, which come out of the SDK in random order, so
// that one of two streams in conflict is always the same one.
func (x *index) sortScopes(list []metricdata.ScopeMetrics) {
	x.order = x.order[:0]
	for i := range list {
		sc, ok := x.scopes[list[i].Scope]
		if !ok {
			sc = newScope(list[i].Scope, x.scoped)
			x.scopes[list[i].Scope] = sc
		}
		sc.now = x.now
		x.order = append(x.order, ordered{sc, i})
	}
	slices.SortStableFunc(x.order, func(a, b ordered) int {
		return cmp.Or(
			strings.Compare(a.scope.id.Name, b.scope.id.Name),
			strings.Compare(a.scope.id.Version, b.scope.id.Version),
			strings.Compare(a.scope.id.SchemaURL, b.scope.id.SchemaURL),
			strings.Compare(a.scope.text, b.scope.text))
	})
}

func newScope(id instrumentation.Scope, labelled bool) *scope {
	sc := &scope{id: id, text: id.Attributes.Encoded(attribute.DefaultEncoder())}
	if labelled && id != (instrumentation.Scope{}) { // target_info is of no scope
		sc.labels, sc.err = scopeLabels(id)
	}
	return sc
}

// scopeLabels returns the labels that OpenTelemetry's exporter gives to the
// series of a scope. An attribute called name, version or schema_url gives way
// to the scope's own.
func scopeLabels(id instrumentation.Scope) ([]label, error) {
	const prefix = "otel_scope_"
	out := []label{{prefix + "name", id.Name}, {prefix + "version", id.Version}, {prefix + "schema_url", id.SchemaURL}}
	for it := id.Attributes.Iter(); it.Next(); {
		kv := it.Attribute()
		if scopeattr.Internal(kv.Key) {
			continue
		}
		name, err := LabelName(string(kv.Key))
		if err != nil {
			return nil, err
		}
		if name != "name" && name != "version" && name != "schema_url" {
			out = append(out, label{prefix + name, kv.Value.String()})
		}
	}
	return out, nil
}

// find looks m's stream up and puts it among the live ones.
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
		st = &stream{key: key, series: map[attribute.Distinct]*series{}}
		st.family = x.family(name, sh.kind, m.Description)
		x.streams[key] = st
	}
	st.now, st.family.now = x.now, x.now
	st.data = data
	x.live = append(x.live, st)
}

func (x *index) family(name string, k kind, help string) *family {
	f, ok := x.families[name]
	if !ok {
		f = &family{name: name, kind: k, help: help}
		x.families[name] = f
		x.fresh = append(x.fresh, f)
	}
	return f
}

// fill gives each of the stream's series its data point.
func (x *index) fill(st *stream) {
	f := st.family
	if st.key.shape.kind != f.kind {
		x.broken(f, "type must be "+string(f.kind)+" as where the name was first seen, found "+
			string(st.key.shape.kind)+" in scope "+st.key.scope.id.Name+"; that one is left out")
		return
	}
	for i := range st.data.len() {
		attrs := st.data.attributes(i)
		s, ok := st.series[attrs.Equivalent()]
		if !ok {
			s = &series{stream: st}
			s.labels, s.err = render(attrs, st.key.scope.labels, f.kind.special())
			st.series[attrs.Equivalent()] = s
			if s.err == nil {
				f.series, f.unsorted = append(f.series, s), true
			}
		}
		s.at, s.now = i, x.now
		if s.err != nil {
			x.broken(f, s.err.Error()+"; the series is left out")
		}
	}
}

// broken reports what is left out of a family, counting the family once a
// scrape.
func (x *index) broken(f *family, text string) {
	n := int64(0)
	if f.counted != x.now {
		f.counted, n = x.now, 1
	}
	x.report.add(n, "family "+f.name+": "+text)
}
