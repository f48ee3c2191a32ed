// Package migrate compares what two servers expose, for whoever moves a service
// from one to the other: what a dashboard, an alert or an autoscaler would
// notice. [Compare] looks at two pages; [Page] answers a query's selectors as
// Prometheus would.
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

// Page is a /metrics page.
type Page struct {
	Name     string // where it is from
	families map[string]*family
	samples  []sample
}

// family is what one TYPE line says, and the samples under it.
type family struct {
	name, kind string
	samples    []sample
}

// sample is one line. Its labels are as they stand on the page, le included.
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

// Parse reads a page in the text format or OpenMetrics. contentType says which;
// if it is "" the page's own end does. name is what errors call it. A page
// without a sample is an error, since it is no page of a server that serves.
func Parse(name string, body []byte, contentType string) (*Page, error) {
	if contentType == "" {
		contentType = classicType
		if bytes.HasSuffix(bytes.TrimSpace(body), []byte("# EOF")) {
			contentType = openType
		}
	}
	if what := otherwise(body); what != "" {
		return nil, fmt.Errorf("%s: must be a page in the text format or OpenMetrics, found %s", name, what)
	}
	parser, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{FallbackContentType: classicType})
	if parser == nil {
		return nil, fmt.Errorf("%s: must be a page in the text format or OpenMetrics: %w", name, err)
	}
	p := &Page{Name: name, families: map[string]*family{}}
	kinds := map[string]string{}
	for {
		entry, err := parser.Next()
		switch {
		case errors.Is(err, io.EOF):
			if len(p.samples) == 0 {
				return nil, fmt.Errorf("%s: must have samples, found none", name)
			}
			return p, nil
		case err != nil:
			return nil, fmt.Errorf("%s: must be a page in the text format or OpenMetrics: %w", name, err)
		case entry == textparse.EntryType:
			family, kind := parser.Type()
			kinds[string(family)] = string(kind)
		case entry == textparse.EntrySeries:
			p.add(parser, kinds)
		}
	}
}

// otherwise is what a body is that is often taken for a page.
func otherwise(body []byte) string {
	switch {
	case bytes.HasPrefix(body, []byte("\x1f\x8b")):
		return "gzip"
	case bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")):
		return "HTML"
	}
	return ""
}

func (p *Page) add(parser textparse.Parser, kinds map[string]string) {
	text, _, value := parser.Series()
	var l labels.Labels
	parser.Labels(&l)
	s := sample{labels: l.Map(), value: value}
	s.name = s.labels[model.MetricNameLabel]
	delete(s.labels, model.MetricNameLabel)
	if le, there := written(string(text)); there { // the parser writes it its own way
		s.labels["le"] = le
	}
	name, kind := familyOf(s.name, kinds)
	s.family = name
	if strings.HasSuffix(s.name, "_created") && kind != "" {
		return // OpenMetrics' own, and no series that anybody asks for
	}
	f := p.families[name]
	if f == nil {
		f = &family{name: name, kind: kind}
		p.families[name] = f
	}
	f.samples = append(f.samples, s)
	p.samples = append(p.samples, s)
}

// written is le as it stands on the page.
func written(series string) (string, bool) {
	for _, before := range []string{"{le=\"", ",le=\""} {
		if _, rest, found := strings.Cut(series, before); found {
			le, _, _ := strings.Cut(rest, `"`)
			return le, true
		}
	}
	return "", false
}

// familyOf finds the TYPE line that a sample is under. A counter is called by its
// samples' name, in either format.
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

// key is a series without what is documented to differ, or ignored.
func (s sample) key(ignored patterns) string {
	return s.identity(func(label string) bool {
		return !ignored.label(s.family, label) && documentedLabel(s.family, label) == ""
	})
}

// identity is a series with some of its labels, and with le as a number.
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

// String is a series as it stands on its page, but for the order of its labels.
func (s sample) String() string {
	var pairs []string
	for name, value := range s.labels {
		pairs = append(pairs, name+"="+strconv.Quote(value))
	}
	slices.Sort(pairs)
	return s.name + "{" + strings.Join(pairs, ",") + "}"
}

// number writes a boundary in one way, whoever wrote it.
func number(text string) string {
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return text
}
