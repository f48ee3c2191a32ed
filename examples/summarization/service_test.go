package summarization_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/examples/summarization"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
)

func host(t *testing.T) *httptest.Server {
	t.Helper()
	app := runtime.New(summarization.Name, runtime.WithLogger(slog.New(slog.DiscardHandler)))
	check.Must(t, summarization.Declare(app))
	handler := check.Value(app.Handler())(t)
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.Close()
		check.OK(t, app.Shutdown(context.Background()))
	})
	return server
}

func do(t *testing.T, method, url, body string) string {
	t.Helper()
	req := check.Value(http.NewRequest(method, url, strings.NewReader(body)))(t)
	res := check.Value(http.DefaultClient.Do(req))(t)
	defer func() { _ = res.Body.Close() }()
	content, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", url, res.StatusCode, content, err)
	}
	return string(content)
}

// BentoML's documentation shows this output for twelve requests. Only measured
// values may differ.
func TestDocumentedMetrics(t *testing.T) {
	server := host(t)
	for range 12 {
		if summary := do(t, "POST", server.URL+"/summarize", ""); !strings.Contains(summary, "Whiskers") {
			t.Fatalf("summary of the example: %q", summary)
		}
	}
	var got []string
	for line := range strings.Lines(do(t, "GET", server.URL+"/metrics", "")) {
		if regexp.MustCompile(`inference_time_seconds|summary_requests_total`).MatchString(line) {
			got = append(got, regexp.MustCompile(`(_sum\{.*\}|le="[\d.]+".*\}) \S+`).ReplaceAllString(line, "$1 MEASURED"))
		}
	}
	want := `# HELP summary_requests_total Total number of summarization requests
# TYPE summary_requests_total counter
summary_requests_total{status="success"} 12.0
# HELP inference_time_seconds Time taken for summarization inference
# TYPE inference_time_seconds histogram
inference_time_seconds_sum{status="success"} MEASURED
inference_time_seconds_bucket{le="0.1",status="success"} MEASURED
inference_time_seconds_bucket{le="0.2",status="success"} MEASURED
inference_time_seconds_bucket{le="0.5",status="success"} MEASURED
inference_time_seconds_bucket{le="1.0",status="success"} MEASURED
inference_time_seconds_bucket{le="2.0",status="success"} MEASURED
inference_time_seconds_bucket{le="5.0",status="success"} MEASURED
inference_time_seconds_bucket{le="10.0",status="success"} MEASURED
inference_time_seconds_bucket{le="+Inf",status="success"} 12.0
inference_time_seconds_count{status="success"} 12.0
`
	check.Equal(t, strings.Join(got, ""), want)
}

func TestEncode(t *testing.T) {
	server := host(t)
	var vectors [][]float64
	check.Must(t, json.Unmarshal([]byte(do(t, "POST", server.URL+"/encode", `{"texts":["a cat", "a dog sleeps"]}`)), &vectors))
	if len(vectors) != 2 || len(vectors[0]) != summarization.Dimensions {
		t.Fatalf("got %d vectors", len(vectors))
	}
	for _, vector := range vectors {
		var norm float64
		for _, x := range vector {
			norm += x * x
		}
		if math.Abs(norm-1) > 1e-6 {
			t.Errorf("a vector of length² %v", norm)
		}
	}
	check.Equal(t, do(t, "POST", server.URL+"/encode", `{"texts":[]}`), "[]")
}
