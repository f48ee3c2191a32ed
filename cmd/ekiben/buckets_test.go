package main

import (
	"io"
	"strings"
	"testing"
)

// Metrics above the limit are refused, since the rest would not be counted.
func TestBucketsOfLargeMetrics(t *testing.T) {
	const most = 2 << 20
	page := "# TYPE a_seconds histogram\na_seconds_bucket{le=\"+Inf\"} 1\n"
	page += strings.Repeat("# "+strings.Repeat("x", 61)+"\n", (most-len(page))/64)
	for text, want := range map[string]string{
		page:                                  "",
		page + strings.Repeat("# x\n", 1<<10): "must be 2 MB at most, found more",
	} {
		families, err := familiesOf(io.NopCloser(strings.NewReader(text)), most)
		if want == "" && (err != nil || families["a_seconds"] == nil) || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("found %v, want %q", err, want)
		}
	}
}
