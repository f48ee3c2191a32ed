package prometheus

import (
	"mime"
	"strconv"
	"strings"
)

// wantsOpenMetrics reports whether the Accept headers prefer OpenMetrics to
// classic text. Only a client that names application/openmetrics-text, in a
// version that 1.0 is compatible with, gets it: to */* the answer is text, as
// it is from Prometheus' own libraries. The quality of text is that of the
// most specific range that covers it. Of equal qualities OpenMetrics wins: it
// says more.
func wantsOpenMetrics(accept []string) bool {
	open, text, specific := 0.0, 0.0, -1
	for item := range items(accept) {
		media, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		q := quality(params["q"])
		switch media {
		case "application/openmetrics-text":
			switch params["version"] {
			case "", "0.0.1", "1.0.0":
				open = max(open, q)
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
	return open > 0 && open >= text
}

// wantsGzip reports whether the Accept-Encoding headers allow gzip: named, or
// covered by *, with a quality above 0.
func wantsGzip(accept []string) bool {
	named, star := -1.0, -1.0
	for item := range items(accept) {
		coding, param, _ := strings.Cut(item, ";")
		q := quality(strings.TrimPrefix(strings.ToLower(strings.ReplaceAll(param, " ", "")), "q="))
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

// quality reads a q parameter: 1 if there is none, 0 if it is not a number.
func quality(s string) float64 {
	if s == "" {
		return 1
	}
	q, err := strconv.ParseFloat(s, 64)
	if err != nil || !(q >= 0) {
		return 0
	}
	return min(q, 1)
}
