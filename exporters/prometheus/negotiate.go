package prometheus

import (
	"strconv"
	"strings"

	"github.com/munnerz/goautoneg"
	"github.com/prometheus/common/expfmt"
)

// format is the Content-Type of a response.
type format string

const (
	classic     format = "text/plain; version=1.0.0; charset=utf-8"
	openMetrics format = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// protobuf is the only format with a notation for native histograms. Its messages have
// a length before each, so that a reader can take one family after the other.
var protobuf = format(expfmt.NewFormat(expfmt.TypeProtoDelim))

// negotiate returns the format that the Accept headers prefer. A client gets
// OpenMetrics or protobuf only if it names them. The response to */* is text, as in
// Prometheus' own libraries. The quality of text is that of the most specific range
// that covers it. If qualities are equal, protobuf wins, then OpenMetrics, because
// they carry more information.
func (e *Exporter) negotiate(accept []string) format {
	text, specific := 0.0, -1
	quality := map[format]float64{}
	for _, a := range goautoneg.ParseAccept(noSpace.Replace(strings.Join(accept, ","))) {
		if rank := rankOfText(a); rank > specific {
			text, specific = a.Q, rank
		} else if rank >= 0 && rank == specific {
			text = max(text, a.Q)
		}
		if as := e.formatOf(a); as != "" {
			quality[as] = max(quality[as], a.Q)
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

// noSpace removes spaces, which goautoneg would read as a part of a number.
var noSpace = strings.NewReplacer(" ", "", "\t", "")

// rankOfText returns how specifically a covers text/plain; -1 if it does not.
func rankOfText(a goautoneg.Accept) int {
	switch strings.ToLower(a.Type + "/" + a.SubType) {
	case "*/*":
		return 0
	case "text/*":
		return 1
	case "text/plain":
		return 2
	}
	return -1
}

// formatOf returns the format that a names and this exporter serves, or "".
func (e *Exporter) formatOf(a goautoneg.Accept) format {
	switch strings.ToLower(a.Type + "/" + a.SubType) {
	case "application/vnd.google.protobuf":
		if e.native && unquoted(a.Params["proto"]) == "io.prometheus.client.MetricFamily" && unquoted(a.Params["encoding"]) == "delimited" {
			return protobuf
		}
	case "application/openmetrics-text":
		switch unquoted(a.Params["version"]) {
		case "", "0.0.1", "1.0.0":
			if e.cfg.OpenMetrics {
				return openMetrics
			}
		}
	}
	return ""
}

func unquoted(s string) string { return strings.Trim(s, `"`) }

// wantsGzip reports whether the Accept-Encoding headers allow gzip: named, or
// covered by *, with a quality above 0. goautoneg reads only media types.
func wantsGzip(accept []string) bool {
	named, star := -1.0, -1.0
	for item := range strings.SplitSeq(strings.ToLower(strings.Join(accept, ",")), ",") {
		coding, param, _ := strings.Cut(item, ";")
		q := qualityOf(strings.TrimPrefix(strings.ReplaceAll(param, " ", ""), "q="))
		switch strings.TrimSpace(coding) {
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

// qualityOf returns the value of a q parameter: 1 if there is none, 0 if it is not a number.
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
