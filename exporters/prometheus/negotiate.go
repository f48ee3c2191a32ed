package prometheus

import (
	"mime"
	"strconv"
	"strings"

	"github.com/prometheus/common/expfmt"
)

// format is how the page is written, as its Content-Type says it.
type format string

const (
	classic     format = "text/plain; version=1.0.0; charset=utf-8"
	openMetrics format = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// protobuf is the one format that has a place for native histograms.
var protobuf = format(expfmt.NewFormat(expfmt.TypeProtoDelim))

// negotiate chooses the format that the Accept headers prefer of those that the
// exporter may serve. Only a client that names OpenMetrics or protobuf, in a
// form that is served, gets it: to */* the answer is text, as it is from
// Prometheus' own libraries. The quality of text is that of the most specific
// range that covers it. Of equal qualities protobuf wins, then OpenMetrics: they
// say more.
func (e *Exporter) negotiate(accept []string) format {
	text, specific := 0.0, -1
	quality := map[format]float64{}
	for item := range items(accept) {
		media, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		q := qualityOf(params["q"])
		switch media {
		case "application/vnd.google.protobuf":
			if e.native && params["proto"] == "io.prometheus.client.MetricFamily" && params["encoding"] == "delimited" {
				quality[protobuf] = max(quality[protobuf], q)
			}
		case "application/openmetrics-text":
			switch params["version"] {
			case "", "0.0.1", "1.0.0":
				if e.cfg.OpenMetrics {
					quality[openMetrics] = max(quality[openMetrics], q)
				}
			}
		case "*/*", "text/*", "text/plain":
			rank := strings.Index("*/* text/* text/plain", media)
			if rank > specific {
				text, specific = q, rank
			} else if rank == specific {
				text = max(text, q)
			}
		}
	}
	best := classic
	for _, as := range []format{openMetrics, protobuf} {
		if q := quality[as]; q > 0 && q >= text && q >= quality[best] {
			best = as
		}
	}
	return best
}

// wantsGzip reports whether the Accept-Encoding headers allow gzip: named, or
// covered by *, with a quality above 0.
func wantsGzip(accept []string) bool {
	named, star := -1.0, -1.0
	for item := range items(accept) {
		coding, param, _ := strings.Cut(item, ";")
		q := qualityOf(strings.TrimPrefix(strings.ToLower(strings.ReplaceAll(param, " ", "")), "q="))
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			named = max(named, q)
		case "*":
			star = max(star, q)
		}
	}
	if named >= 0 {
		return named > 0
	}
	return star > 0
}

// items yields the elements of a list header, which may be sent in several
// lines.
func items(lines []string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for item := range strings.SplitSeq(line, ",") {
				if item = strings.TrimSpace(item); item != "" && !yield(item) {
					return
				}
			}
		}
	}
}

// qualityOf reads a q parameter: 1 if there is none, 0 if it is not a number.
func qualityOf(s string) float64 {
	if s == "" {
		return 1
	}
	q, err := strconv.ParseFloat(s, 64)
	if err != nil || !(q >= 0) {
		return 0
	}
	return min(q, 1)
}
