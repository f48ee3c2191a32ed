// Package migrate compares the metrics of two servers for users who move a service
// from one to the other. [Compare] finds differences between families, and
// [NewReport] also finds queries of dashboards, rules and autoscalers that would
// select other series.
package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// Metrics is a server's response to a scrape.
type Metrics struct {
	Name     string // URL or file
	families map[string]*family
	samples  []sample
}

// family is a metric family: one TYPE line and its samples.
type family struct {
	name, kind string
	samples    []sample
}

// sample is one line. Label values, also le, are written as the server wrote them.
type sample struct {
	name   string
	labels map[string]string
	value  float64
	family string
}

const (
	classicType = "text/plain; version=0.0.4"
	openType    = "application/openmetrics-text; version=1.0.0"
)

// Parse reads Prometheus text format or OpenMetrics. Default of contentType: found
// from the end of body. name is the name of the source in errors. A body without
// samples is an error, since a server that serves has some.
func Parse(name string, body []byte, contentType string) (*Metrics, error) {
	body = bytes.ReplaceAll(plain(body), []byte("\r\n"), []byte("\n"))
	if contentType == "" {
		contentType = classicType
		if bytes.HasSuffix(bytes.TrimSpace(body), []byte("# EOF")) {
			contentType = openType
		}
	}
	if what := otherFormat(body); what != "" {
		return nil, fmt.Errorf("%s: must be Prometheus text format or OpenMetrics, found %s", name, what)
	}
	parser, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{FallbackContentType: classicType})
	if parser == nil {
		return nil, fmt.Errorf("%s: must be Prometheus text format or OpenMetrics: %w", name, err)
	}
	m := &Metrics{Name: name, families: map[string]*family{}}
	kinds := map[string]string{}
	for {
		entry, err := parser.Next()
		switch {
		case errors.Is(err, io.EOF):
			if len(m.samples) == 0 {
				return nil, fmt.Errorf("%s: must have samples, found none", name)
			}
			return m, nil
		case err != nil:
			return nil, fmt.Errorf("%s: must be Prometheus text format or OpenMetrics: %w", name, err)
		case entry == textparse.EntryType:
			family, kind := parser.Type()
			kinds[string(family)] = string(kind)
		case entry == textparse.EntrySeries:
			m.add(parser, kinds)
		}
	}
}

// otherFormat names the format of a body that is not metrics.
func otherFormat(body []byte) string {
	switch {
	case bytes.HasPrefix(body, []byte("\x1f\x8b")):
		return "gzip"
	case bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")):
		return "HTML"
	}
	return ""
}

func (m *Metrics) add(parser textparse.Parser, kinds map[string]string) {
	text, _, value := parser.Series()
	var l labels.Labels
	parser.Labels(&l)
	s := sample{labels: l.Map(), value: value}
	s.name = s.labels[model.MetricNameLabel]
	delete(s.labels, model.MetricNameLabel)
	if le, there := written(string(text)); there { // the parser changes how it is written
		s.labels["le"] = le
	}
	name, kind := familyOf(s.name, kinds)
	s.family = name
	if strings.HasSuffix(s.name, "_created") && kind != "" {
		return // OpenMetrics has a creation time, which Prometheus stores as no series
	}
	f := m.families[name]
	if f == nil {
		f = &family{name: name, kind: kind}
		m.families[name] = f
	}
	f.samples = append(f.samples, s)
	m.samples = append(m.samples, s)
}

// written returns the value of le as the server wrote it.
func written(series string) (string, bool) {
	for _, before := range []string{"{le=\"", ",le=\""} {
		if _, rest, found := strings.Cut(series, before); found {
			le, _, _ := strings.Cut(rest, `"`)
			return le, true
		}
	}
	return "", false
}

// familyOf returns the family of a sample. A counter has the name of its samples in
// both formats.
func familyOf(name string, kinds map[string]string) (family, kind string) {
	if kind, ok := kinds[name]; ok {
		return name, kind
	}
	for suffix, of := range map[string][]string{"_total": {"counter"}, "_bucket": {"histogram"}, "_created": {"counter", "histogram", "summary"},
		"_count": {"histogram", "summary"}, "_sum": {"histogram", "summary"}} {
		if base, ok := strings.CutSuffix(name, suffix); ok && slices.Contains(of, kinds[base]) {
			if suffix == "_total" {
				return name, "counter"
			}
			return base, kinds[base]
		}
	}
	return name, ""
}

// key identifies a series without labels that are ignored or documented to differ.
func (s sample) key(ignored patterns) string {
	return s.identity(func(label string) bool {
		return !ignored.label(s.family, label) && documentedLabel(s.family, label) == ""
	})
}

// identity identifies a series by some of its labels, with le as a number.
func (s sample) identity(with func(label string) bool) string {
	kept := sample{name: s.name, labels: map[string]string{}}
	for name, value := range s.labels {
		if !with(name) {
			continue
		}
		if name == "le" {
			value = number(value)
		}
		kept.labels[name] = value
	}
	return kept.String()
}

// String returns the series as the server wrote it, with its labels in order.
func (s sample) String() string {
	var pairs []string
	for name, value := range s.labels {
		pairs = append(pairs, name+"="+strconv.Quote(value))
	}
	slices.Sort(pairs)
	return s.name + "{" + strings.Join(pairs, ",") + "}"
}

// number returns the canonical form of a boundary.
func number(text string) string {
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return text
}
