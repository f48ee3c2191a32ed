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
	"github.com/ekiben-serving/ekiben/runtime"
)

func host(t *testing.T) *httptest.Server {
	t.Helper()
	app := runtime.New(summarization.Name, runtime.WithLogger(slog.New(slog.DiscardHandler)))
	if err := summarization.Declare(app); err != nil {
		t.Fatal(err)
	}
	handler, err := app.Handler()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.Close()
		if err := app.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server
}

func do(t *testing.T, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
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
	if strings.Join(got, "") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, ""), want)
	}
}

func TestEncode(t *testing.T) {
	server := host(t)
	var vectors [][]float64
	if err := json.Unmarshal([]byte(do(t, "POST", server.URL+"/encode", `{"texts":["a cat", "a dog sleeps"]}`)), &vectors); err != nil {
		t.Fatal(err)
	}
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
	if got := do(t, "POST", server.URL+"/encode", `{"texts":[]}`); got != "[]" {
		t.Errorf("got %s", got)
	}
}
