package real

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// exposition reads /metrics in the format that accept requests. It returns the samples,
// and also the body, because the parser changes how numbers in labels are written.
func exposition(t *testing.T, url, accept string) ([]sample, string) {
	t.Helper()
	req := check.Value(http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody))(t)
	req.Header.Set("Accept", accept)
	res := check.Value(http.DefaultClient.Do(req))(t)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, res.Status, err)
	}
	parser, err := textparse.New(body, res.Header.Get("Content-Type"), labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	var samples []sample
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return samples, string(body)
		}
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, value := parser.Series()
		var l labels.Labels
		parser.Labels(&l)
		samples = append(samples, sample{l.Map(), value})
	}
}
