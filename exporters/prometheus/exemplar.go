package prometheus

import (
	"encoding/hex"
	"math"
	"slices"
	"sort"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxExemplarRunes is the number of characters that OpenMetrics 1.0 allows for all
// label names and values of an exemplar together.
const maxExemplarRunes = 128

// pickExemplars chooses the newest exemplar of each bucket of the loaded
// point. The exemplar of a bucket whose boundary is skipped goes to the next bucket.
func (e *encoder) pickExemplars() {
	p := &e.point
	if len(p.exemplars) == 0 {
		return
	}
	n := len(p.bounds)
	e.pick = slices.Grow(e.pick[:0], n+1)[:n+1]
	for i := range e.pick {
		e.pick[i] = -1
	}
	for i := range p.exemplars {
		x := &p.exemplars[i]
		if math.IsNaN(x.value) {
			continue
		}
		at := sort.SearchFloat64s(p.bounds, x.value)
		for at+1 < n && p.bounds[at] == p.bounds[at+1] {
			at++
		}
		if at < n && math.IsInf(p.bounds[at], 1) {
			at = n
		}
		if e.pick[at] < 0 || p.exemplars[e.pick[at]].time.Before(x.time) {
			e.pick[at] = i
		}
	}
}

// newest returns the newest exemplar, or nil if there is none.
func (p *point) newest() *exemplar {
	var newest *exemplar
	for i := range p.exemplars {
		if newest == nil || newest.time.Before(p.exemplars[i].time) {
			newest = &p.exemplars[i]
		}
	}
	return newest
}

// exemplar writes x after the value of a sample: first trace and span, then each
// filtered attribute that fits into the limit.
func (e *encoder) exemplar(x *exemplar) {
	e.seen = e.seen[:0]
	room := maxExemplarRunes
	b := append(e.buf, " # {"...)
	b = e.id(b, "trace_id", x.trace, &room)
	b = e.id(b, "span_id", x.span, &room)
	for _, l := range x.others(room) {
		b = appendLabel(e.comma(b, l.name), l.name, l.value)
	}
	b = append(b, "} "...)
	b = appendFloat(b, x.value)
	if !x.time.IsZero() {
		b = appendTime(append(b, ' '), x.time)
	}
	e.buf = b
}

// others returns the filtered attributes of x that fit into room characters. One that
// does not fit is left out, and later ones may still fit. Of two attributes with one
// translated name, the first is used.
func (x *exemplar) others(room int) []label {
	if len(x.filtered) == 0 {
		return nil
	}
	var list []label
	taken := map[string]bool{"trace_id": len(x.trace) > 0, "span_id": len(x.span) > 0}
	for _, kv := range x.filtered {
		name, err := LabelName(string(kv.Key))
		if err != nil || taken[name] {
			continue
		}
		value := kv.Value.String()
		n := utf8.RuneCountInString(name) + utf8.RuneCountInString(value)
		if n > room {
			continue
		}
		room -= n
		taken[name] = true
		list = append(list, label{name, value})
	}
	return list
}

// id writes an id in hexadecimal. It writes nothing if the id is empty.
func (e *encoder) id(b []byte, name string, id []byte, room *int) []byte {
	if len(id) == 0 {
		return b
	}
	*room -= len(name) + hex.EncodedLen(len(id))
	b = append(e.comma(b, name), name...)
	b = append(b, `="`...)
	b = hex.AppendEncode(b, id)
	return append(b, '"')
}

// comma records the name of a label, and writes a comma unless it is the first.
func (e *encoder) comma(b []byte, name string) []byte {
	e.seen = append(e.seen, name)
	if len(e.seen) > 1 {
		b = append(b, ',')
	}
	return b
}

// appendTime appends t in seconds since 1970, with milliseconds, the precision of
// Prometheus.
func appendTime(b []byte, t time.Time) []byte {
	ms := max(t.UnixMilli(), 0)
	b = strconv.AppendInt(b, ms/1000, 10)
	b = append(b, '.')
	frac := ms % 1000
	return append(b, byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
}
