package runtime_test

import (
	"encoding/json"
	"log/slog"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/instrument"
)

// What is said at start of the page's families is all of them.
func TestEveryFamilyIsAnnounced(t *testing.T) {
	svc := newEncoder(batcher.Config{MaxBatchSize: 4}, nil)
	hits, err := svc.Meter().Int64Counter("hits")
	if err != nil {
		t.Fatal(err)
	}
	sizes, err := instrument.NewSummary[struct{}](svc.Meter(), "sizes")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	put(t, file, "metrics: {conventions: [bentoml, http], target_info: true, namespace: shop}\nshutdown: {idle: 0}\nlogging: {access: {enabled: false}}\n")
	var log logBuffer
	s := serve(t, svc, runtime.WithSource(config.Source{File: file}), runtime.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
	s.post("/v1/encode", `{"texts":["a"]}`)
	hits.Add(t.Context(), 1)
	sizes.Observe(t.Context(), struct{}{}, 1)

	var line struct {
		Metrics string `json:"metrics"`
	}
	if err := json.Unmarshal([]byte(strings.SplitN(log.String(), "\n", 2)[0]), &line); err != nil {
		t.Fatal(err)
	}
	announced := map[string]bool{}
	for pattern := range strings.SplitSeq(line.Metrics, ", ") {
		announced[pattern] = false
	}
	for _, family := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(s.page(), -1) {
		found := false
		for pattern := range announced {
			if ok, _ := path.Match(pattern, family[1]); ok {
				found, announced[pattern] = true, true
			}
		}
		if !found {
			t.Errorf("%s is none of %s", family[1], line.Metrics)
		}
	}
	for pattern, seen := range announced {
		if !seen {
			t.Errorf("%s is announced, and not on the page", pattern)
		}
	}
}

// A person at a terminal reads a few lines instead of a long one.
func TestAnnouncement(t *testing.T) {
	for _, c := range []struct {
		change func(*config.Config)
		want   string
	}{
		{func(c *config.Config) { c.App.Version = "3" }, `serving Echo, version 3
  page     http://localhost:3000/
  exposes  POST /echo, POST /v1/lengths, GET /metrics, GET /schema.json, GET /docs.json, GET /healthz, GET /livez, GET /readyz
  metrics  bentoml_service_*, go_*, ekiben_*
  pushes   nothing
`},
		{func(c *config.Config) { c.HTTP.Page, c.HTTP.PathPrefix, c.Metrics.Enabled = false, "/ml", false }, `serving Echo, version not available
  address  http://localhost:3000
  exposes  POST /ml/echo, POST /ml/v1/lengths, GET /ml/schema.json, GET /ml/docs.json, GET /ml/healthz, GET /ml/livez, GET /ml/readyz
  metrics  nothing is measured
  pushes   nothing
`},
	} {
		rt, err := runtime.New(newEcho(), runtime.WithLogger(quiet()), settings(c.change))
		if err != nil {
			t.Fatal(err)
		}
		if got := runtime.Announcement(rt, "http://localhost:3000"); got != c.want {
			t.Errorf("got\n%swant\n%s", got, c.want)
		}
		if err := rt.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
