package prometheus

import (
	"context"
	"encoding/hex"
	"io"
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Gather collects and returns the families; see [Exporter.Gatherer].
func (g gatherer) Gather() ([]*dto.MetricFamily, error) {
	s := g.take()
	defer g.give(s)
	if err := g.collect(context.Background(), s); err != nil {
		return nil, err
	}
	return s.enc.families(&s.index), nil
}

// gatherer keeps Gather out of the methods of Exporter, whose ServeHTTP is the way to
// serve /metrics: it shares collections.
type gatherer struct{ *Exporter }

// messages writes the families of x to w.
func (e *encoder) messages(w io.Writer, x *index) error {
	to := expfmt.NewEncoder(w, expfmt.Format(protobuf))
	for _, f := range x.listed {
		if err := to.Encode(e.message(x, f)); err != nil {
			return err
		}
	}
	return nil
}

// families returns the families of x as messages.
func (e *encoder) families(x *index) []*dto.MetricFamily {
	list := make([]*dto.MetricFamily, 0, len(x.listed))
	for _, f := range x.listed {
		list = append(list, e.message(x, f))
	}
	return list
}

var messageTypes = map[kind]*dto.MetricType{
	counter: dto.MetricType_COUNTER.Enum(), gauge: dto.MetricType_GAUGE.Enum(),
	histogram: dto.MetricType_HISTOGRAM.Enum(), summary: dto.MetricType_SUMMARY.Enum(),
}

// message returns f as a message that shares no memory with the scratch.
func (e *encoder) message(x *index, f *family) *dto.MetricFamily {
	m := &dto.MetricFamily{Name: proto.String(f.name), Help: proto.String(legalValue(f.help)), Type: messageTypes[f.kind]}
	_ = x.each(f, func(same twins) error { // never fails, because the function does not
		if one := e.metric(x, f, same); one != nil {
			m.Metric = append(m.Metric, one)
		}
		return nil
	})
	return m
}

// metric returns one series as a message, or nil for a series that is reported and left
// out.
func (e *encoder) metric(x *index, f *family, same twins) *dto.Metric {
	list := same.main()
	if !e.load(x, f, list) {
		return nil
	}
	s := list[0]
	labels, err := labelsOf(s.stream.data.attributes(s.at), s.stream.key.scope.labels)
	m := &dto.Metric{Label: pairs(labels)}
	if err == nil {
		err = e.value(f, same, m)
	}
	if err != nil {
		x.broken(f, "series {"+s.labels.text+"} "+err.Error()+"; it is left out")
		return nil
	}
	return m
}

// pairs returns labels as messages. Values are legal UTF-8, which proto.Marshal requires.
func pairs(labels []label) []*dto.LabelPair {
	list := make([]*dto.LabelPair, len(labels))
	for i, l := range labels {
		list[i] = &dto.LabelPair{Name: proto.String(l.name), Value: proto.String(legalValue(l.value))}
	}
	return list
}

// value sets the value of m to the loaded point.
func (e *encoder) value(f *family, same twins, m *dto.Metric) error {
	p := &e.point
	switch f.kind {
	case counter:
		m.Counter = &dto.Counter{Value: proto.Float64(p.value), CreatedTimestamp: created(p.start)}
		if x := p.newest(); x != nil {
			m.Counter.Exemplar = x.message()
		}
	case gauge:
		m.Gauge = &dto.Gauge{Value: proto.Float64(p.value)}
	case summary:
		m.Summary = &dto.Summary{SampleCount: proto.Uint64(p.count), SampleSum: proto.Float64(p.value), CreatedTimestamp: created(p.start)}
		for _, q := range p.quantiles {
			m.Summary.Quantile = append(m.Summary.Quantile, &dto.Quantile{Quantile: proto.Float64(q.Quantile), Value: proto.Float64(q.Value)})
		}
	default:
		h, err := e.buckets(same.main()[0]), error(nil)
		if len(same.exponential) > 0 {
			h, err = withNative(h, same.exponential)
		}
		m.Histogram = h
		return err
	}
	return nil
}

// buckets returns the loaded point as a histogram with boundaries.
func (e *encoder) buckets(s *series) *dto.Histogram {
	p := &e.point
	h := &dto.Histogram{SampleCount: proto.Uint64(p.count), SampleSum: proto.Float64(p.value), CreatedTimestamp: created(p.start)}
	e.pickExemplars()
	newest := func(i int) *dto.Exemplar {
		if len(p.exemplars) == 0 || e.pick[i] < 0 {
			return nil
		}
		return p.exemplars[e.pick[i]].message()
	}
	total := uint64(0)
	for i, le := range s.stream.les.render(p.bounds) {
		total += p.counts[i]
		if le != "" {
			h.Bucket = append(h.Bucket, &dto.Bucket{CumulativeCount: proto.Uint64(total), UpperBound: proto.Float64(p.bounds[i]), Exemplar: newest(i)})
		}
	}
	if last := newest(len(p.bounds)); last != nil { // readers add +Inf if it is missing; it is needed for an exemplar only
		h.Bucket = append(h.Bucket, &dto.Bucket{CumulativeCount: proto.Uint64(p.count), UpperBound: proto.Float64(math.Inf(1)), Exemplar: last})
	}
	return h
}

// created returns a start time; nil if it is not known.
func created(at time.Time) *timestamppb.Timestamp {
	if at.IsZero() {
		return nil
	}
	return timestamppb.New(at)
}

// message returns x with the labels that the text formats have.
func (x *exemplar) message() *dto.Exemplar {
	m := &dto.Exemplar{Value: proto.Float64(x.value)}
	room := maxExemplarRunes
	for _, id := range []label{{"trace_id", hex.EncodeToString(x.trace)}, {"span_id", hex.EncodeToString(x.span)}} {
		if id.value != "" {
			room -= len(id.name) + len(id.value)
			m.Label = append(m.Label, pairs([]label{id})...)
		}
	}
	m.Label = append(m.Label, pairs(x.others(room))...)
	if !x.time.IsZero() {
		m.Timestamp = timestamppb.New(x.time)
	}
	return m
}
