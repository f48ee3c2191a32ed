package prometheus

import (
	"io"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// encoder writes families. The text formats differ in the family name of
// counters, the escaping of HELP, exemplars, and the last line.
type encoder struct {
	open   bool     // OpenMetrics
	buf    []byte   // what was not written yet
	head   []byte   // of the lines of a histogram, up to the value of le
	tail   []byte   // of the same lines, from there to the count
	point  point    // the one that is being written
	twin   point    // is added to point
	counts []uint64 // of twins
	pick   []int    // by bucket: the index of its exemplar in point; -1: none
	seen   []string // the labels of the exemplar that is being written
}

// encode writes the families of x to w in chunks.
func (e *encoder) encode(w io.Writer, x *index, as format) error {
	if as == protobuf {
		return e.messages(w, x)
	}
	open := as == openMetrics
	e.open, e.buf = open, e.buf[:0]
	for _, f := range x.listed {
		if err := e.family(w, x, f); err != nil {
			return err
		}
	}
	if open {
		e.buf = append(e.buf, "# EOF\n"...)
	}
	return e.flush(w)
}

// flush writes buf. A body takes the buffer itself; gzip gets a copy.
func (e *encoder) flush(w io.Writer) error {
	if len(e.buf) == 0 {
		return nil
	}
	if b, ok := w.(*body); ok {
		e.buf = b.swap(e.buf)
		return nil
	}
	_, err := w.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

// family writes f. The text formats have no notation for native histograms.
func (e *encoder) family(w io.Writer, x *index, f *family) error {
	if e.open && f.open.hiddenBy != nil {
		x.broken(f, "needs the name "+f.open.needs+" in OpenMetrics, which belongs to the "+
			string(f.open.hiddenBy.kind)+" "+f.open.hiddenBy.name+"; it is left out there")
		return nil
	}
	e.header(f)
	return x.each(f, func(same twins) error {
		list := same.main()
		if !e.load(x, f, list) {
			return nil
		}
		e.series(f, list[0])
		if len(e.buf) >= chunk {
			return e.flush(w)
		}
		return nil
	})
}

// header writes HELP and TYPE. An empty HELP keeps its space, as
// prometheus_client's does.
func (e *encoder) header(f *family) {
	name, k := f.name, string(f.kind)
	if e.open {
		name, k = f.open.name, string(f.open.kind)
	}
	b := append(e.buf, "# HELP "...)
	b = append(b, name...)
	b = append(b, ' ')
	b = appendEscaped(b, f.help, e.open)
	b = append(b, "\n# TYPE "...)
	b = append(b, name...)
	b = append(b, ' ')
	b = append(b, k...)
	e.buf = append(b, '\n')
}

// series writes the samples of the loaded and checked point. An exemplar of a counter is
// written only in OpenMetrics, and there only if the family is a counter, not unknown.
func (e *encoder) series(f *family, s *series) {
	switch f.kind {
	case histogram:
		e.histogram(f, s)
	case summary:
		e.summary(f, s)
	default:
		e.sample(f.name, "", s.labels.text)
		e.buf = appendFloat(e.buf, e.point.value)
		if x := e.point.newest(); x != nil && e.open && f.open.kind == counter {
			e.exemplar(x)
		}
		e.buf = append(e.buf, '\n')
	}
}

// sample writes a line up to its value: name, labels and a space. A series without
// labels has no braces, as prometheus_client writes it.
func (e *encoder) sample(name, suffix, labels string) {
	b := append(e.buf, name...)
	b = append(b, suffix...)
	if labels != "" {
		b = append(b, '{')
		b = append(b, labels...)
		b = append(b, '}')
	}
	e.buf = append(b, ' ')
}

// summary writes the quantiles, _count and _sum. OpenMetrics allows only quantiles from
// 0 to 1, and neither a negative quantile value nor a negative sum.
func (e *encoder) summary(f *family, s *series) {
	for i := range e.point.quantiles {
		if q := &e.point.quantiles[i]; !e.open || q.Quantile >= 0 && q.Quantile <= 1 && !(q.Value < 0) {
			e.quantile(f, s, q)
		}
	}
	e.sample(f.name, "_count", s.labels.text)
	e.buf = append(appendCount(e.buf, e.point.count), '\n')
	if e.open && !(e.point.value >= 0) {
		return
	}
	e.sample(f.name, "_sum", s.labels.text)
	e.buf = append(appendFloat(e.buf, e.point.value), '\n')
}

// quantile writes the line of one quantile, with its label in sorted order.
func (e *encoder) quantile(f *family, s *series, q *metricdata.QuantileValue) {
	before, comma := s.labels.before()
	b := append(e.buf, f.name...)
	b = append(b, '{')
	b = append(append(b, before...), comma...)
	b = append(b, `quantile="`...)
	b = appendFloat(b, q.Quantile)
	b = append(b, '"')
	comma, after := s.labels.after()
	b = append(append(b, comma...), after...)
	b = append(b, "} "...)
	e.buf = append(appendFloat(b, q.Value), '\n')
}

// histogram writes _sum, the buckets in ascending order with +Inf once, and
// _count: the order of prometheus_client. The common beginning of all bucket lines
// is built once.
//
// OpenMetrics forbids _sum if it is NaN or negative, or if a boundary is negative.
// _count is then left out too, because it must not appear without _sum; the +Inf
// bucket has the same number.
func (e *encoder) histogram(f *family, s *series) {
	p := &e.point
	texts := s.stream.les.render(p.bounds)
	if e.open {
		e.pickExemplars()
	}
	whole := !e.open || p.value >= 0 && !s.stream.les.below0
	if whole {
		e.sample(f.name, "_sum", s.labels.text)
		e.buf = append(appendFloat(e.buf, p.value), '\n')
	}

	before, comma := s.labels.before()
	e.head = append(append(e.head[:0], f.name...), "_bucket{"...)
	e.head = append(append(append(e.head, before...), comma...), `le="`...)
	comma, after := s.labels.after()
	e.tail = append(append(append(append(e.tail[:0], '"'), comma...), after...), "} "...)
	total := uint64(0)
	for i, le := range texts {
		total += p.counts[i]
		if le != "" {
			e.bucket(le, total, i)
		}
	}
	e.bucket("+Inf", p.count, len(texts))

	if whole {
		e.sample(f.name, "_count", s.labels.text)
		e.buf = append(appendCount(e.buf, p.count), '\n')
	}
}

// bucket writes the line of bucket i.
func (e *encoder) bucket(le string, n uint64, i int) {
	b := append(append(append(e.buf, e.head...), le...), e.tail...)
	e.buf = appendCount(b, n)
	if e.open && len(e.point.exemplars) > 0 && e.pick[i] >= 0 {
		e.exemplar(&e.point.exemplars[e.pick[i]])
	}
	e.buf = append(e.buf, '\n')
}
