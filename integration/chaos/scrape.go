package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// formats are the Accept headers of scrapes.
var formats = []string{
	"text/plain;version=0.0.4",
	"application/openmetrics-text;version=1.0.0",
	"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
}

// page is a scrape in the text format.
type page struct {
	families map[string]*dto.MetricFamily
	series   int
}

// scraper scrapes /metrics, each time on a connection of its own.
type scraper struct{ client *http.Client }

func newScraper() scraper {
	return scraper{&http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// fetch returns the page in a format.
func (s scraper) fetch(address, accept string) (body []byte, contentType string, err error) {
	r, err := http.NewRequest(http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Accept", accept)
	response, err := s.client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close() //nolint:errcheck // all of it was read
	body, err = io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("/metrics responded %d: %.200s", response.StatusCode, body)
	}
	return body, response.Header.Get("Content-Type"), err
}

// page scrapes and parses the text format.
func (s scraper) page(address string) (page, error) {
	body, _, err := s.fetch(address, formats[0])
	if err != nil {
		return page{}, err
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	p := page{families: families}
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, "#") {
			p.series++
		}
	}
	return p, err
}

// errBadPage means that the page came and cannot be parsed.
var errBadPage = errors.New("the page cannot be parsed")

// check scrapes in one format and parses every series.
func (s scraper) check(address string, rand *rand.Rand) error {
	accept := formats[rand.IntN(len(formats))]
	body, contentType, err := s.fetch(address, accept)
	if err != nil {
		return err
	}
	if want, _, _ := strings.Cut(accept, ";"); accept != formats[2] /* only native histograms have protobuf */ && !strings.HasPrefix(contentType, want) {
		return fmt.Errorf("%w: asked for %s, got %s", errBadPage, accept, contentType)
	}
	if err := parse(body, contentType); err != nil {
		return fmt.Errorf("%w as %s: %w", errBadPage, contentType, err)
	}
	return nil
}

// parse reads a page as Prometheus does, and finds series that are there twice.
func parse(body []byte, contentType string) error {
	if strings.HasPrefix(contentType, "application/vnd") {
		return parseProtobuf(body)
	}
	parser, err := textparse.New(body, contentType, promlabels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var set promlabels.Labels
		parser.Labels(&set)
		if seen[set.String()] {
			return fmt.Errorf("%s is there twice", set)
		}
		seen[set.String()] = true
	}
}

func parseProtobuf(body []byte) error {
	decoder := expfmt.NewDecoder(bytes.NewReader(body), expfmt.NewFormat(expfmt.TypeProtoDelim))
	for {
		var family dto.MetricFamily
		if err := decoder.Decode(&family); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if len(family.GetMetric()) == 0 {
			return fmt.Errorf("%s has no series", family.GetName())
		}
	}
}

// namespace is the prefix of the default metrics.
const namespace = "bentoml_service_"

// requests returns the counted requests by their labels, from a counter or the counts of a
// histogram.
func (p page) requests(family string) map[labels]int {
	counts := map[labels]int{}
	for _, m := range p.families[family].GetMetric() {
		status, _ := strconv.Atoi(label(m, "http_response_code"))
		n := int(m.GetCounter().GetValue())
		if m.GetHistogram() != nil {
			n = int(m.GetHistogram().GetSampleCount())
		}
		if n > 0 { // a series at 0 is left out
			counts[labels{label(m, "endpoint"), status}] += n
		}
	}
	return counts
}

// sum returns the sum of a family, of those series that have a value of a label; "": of all.
func (p page) sum(family, name, value string) (total float64) {
	for _, m := range p.families[family].GetMetric() {
		if name != "" && label(m, name) != value {
			continue
		}
		total += m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetHistogram().GetSampleSum()
	}
	return total
}

func label(m *dto.Metric, name string) string {
	i := slices.IndexFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == name })
	if i < 0 {
		return ""
	}
	return m.GetLabel()[i].GetValue()
}
