package runtime_test

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/instrument"
)

// The log line at start names every family of /metrics, and no others.
func TestEveryFamilyIsAnnounced(t *testing.T) {
	log, logger := newAwaited(t)
	app := newEncoder(batcher.Config{MaxBatchSize: 4}, nil, logger, runtime.WithSource(config.Source{Set: []config.Setting{
		setting(t, "metrics.conventions=[bentoml, http]"), setting(t, "metrics.target_info=true"), setting(t, "metrics.namespace=shop"),
	}}))
	hits := check.Value(app.Meter().Int64Counter("hits"))(t)
	sizes := check.Value(instrument.NewSummary[struct{}](app.Meter(), "sizes"))(t)
	s := serve(t, app)
	s.post("/v1/encode", `{"texts":["a"]}`).want(t, 200, "[1]")
	hits.Add(t.Context(), 1)
	sizes.Observe(t.Context(), struct{}{}, 1)
	found := regexp.MustCompile(`msg=serving .* metrics="([^"]*)"`).FindStringSubmatch(log.String())
	if found == nil {
		t.Fatalf("got\n%s", log.String())
	}
	announced := map[string]bool{}
	for pattern := range strings.SplitSeq(found[1], ", ") {
		announced[pattern] = false
	}
	for _, family := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(s.page(), -1) {
		matched := false
		for pattern := range announced {
			if ok, _ := path.Match(pattern, family[1]); ok {
				matched, announced[pattern] = true, true
			}
		}
		if !matched {
			t.Errorf("%s is not announced: %s", family[1], found[1])
		}
	}
	for pattern, seen := range announced {
		if !seen {
			t.Errorf("%s is announced and not on /metrics", pattern)
		}
	}
}

// On a terminal, the app prints a few lines instead of one long line.
func TestAnnouncement(t *testing.T) {
	for _, test := range []struct {
		change func(*config.Config)
		want   string
	}{
		{func(c *config.Config) { c.App.Version = "3" }, `serving Echo, version 3
  page     http://localhost:3000/
  config   no file
  exposes  POST /echo, POST /v1/lengths, GET /metrics, GET /schema.json, GET /docs.json, GET /healthz, GET /livez, GET /readyz
  metrics  bentoml_service_*, go_*, ekiben_*
  pushes   nothing
`},
		{func(c *config.Config) { c.HTTP.Page, c.HTTP.PathPrefix, c.Metrics.Enabled = false, "/ml", false }, `serving Echo, version not available
  address  http://localhost:3000
  config   no file
  exposes  POST /ml/echo, POST /ml/v1/lengths, GET /ml/schema.json, GET /ml/docs.json, GET /ml/healthz, GET /ml/livez, GET /ml/readyz
  metrics  nothing is measured
  pushes   nothing
`},
	} {
		app := newEcho(settings(test.change))
		handler(t, app)
		check.Equal(t, runtime.Announcement(app, "http://localhost:3000"), test.want)
	}
}

// The line names every file that was read, and a file whose content was given.
func TestAnnouncementNamesEveryFile(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"bento.yaml": "services: {traffic: {timeout: 5}}\n", "ekiben.yaml": "http: {port: 1}\n", "key.txt": "secret\n",
	} {
		check.Must(t, os.WriteFile(name, []byte(text), 0o600))
	}
	bento, secret := []string{"BENTOML_CONFIG=bento.yaml"}, []config.Setting{setting(t, "otlp.headers_file.key=key.txt")}
	for want, source := range map[string]config.Source{
		"no file":                          {},
		"ekiben.yaml":                      {File: "ekiben.yaml"},
		"bento.yaml":                       {Environ: bento},
		"bento.yaml, ekiben.yaml, key.txt": {Environ: bento, File: "ekiben.yaml", Set: secret},
		"key.txt, given":                   {File: "given", Content: []byte("http: {port: 1}"), Set: secret},
	} {
		app := newEcho(runtime.WithSource(source))
		handler(t, app)
		if got := runtime.Announcement(app, "http://localhost:3000"); !strings.Contains(got, "\n  config   "+want+"\n") {
			t.Errorf("got\n%swant %s", got, want)
		}
	}
}
