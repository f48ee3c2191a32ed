package telemetry

import (
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A new server exposes every API at 0, so that rate() sees its first request and an
// autoscaler finds its gauge, with BentoML's names and labels, and the runtime's own
// metrics. Probes appear with their first request.
func TestFreshExposition(t *testing.T) {
	r := measure(t)
	r.check(r.Prepare(Kinds{Batches: true}))
	front, err1 := r.AddService(ServiceSettings{Name: "Front", Prefix: "/ml", Concurrency: func() (int64, int64) { return 1, 9 }})
	encoder, err2 := r.AddService(ServiceSettings{Name: "Encoder", MaxBatchSize: 4, Concurrency: func() (int64, int64) { return 0, 0 }})
	shout, err3 := front.Endpoint("/shout")
	encode, err4 := encoder.Endpoint("/encode")
	_, err5 := front.Endpoint("/livez")
	encoder.Batch("encode", func() (int, int) { return 1, 3 }, func() bool { return false })
	shout.Show()
	encode.Show()
	r.check(err1, err2, err3, err4, err5, r.Register(true), r.ObservePushes(&otlp.Stats{}, nil, nil, nil))
	got, path := r.scrape(), filepath.Join("testdata", "fresh.txt")
	if *update {
		r.check(os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	r.check(err)
	same(t, path, got, string(want))
}

var update = flag.Bool("update", false, "write testdata/fresh.txt")

// Metrics without a runner_name have the labels of their app, so that one registry
// can have two apps.
func TestTwoAppsInOneRegistry(t *testing.T) {
	var gatherers client.Gatherers
	for _, name := range []string{"shop", "mail"} {
		r := measure(t, pushing("cumulative"), func(s *Settings) { s.App.Name = name }, metrics(func(m *config.Metrics) {
			m.GoRuntime, m.Conventions = true, []string{"bentoml", "http"}
		}))
		r.check(r.Prepare(Kinds{Batches: true}))
		s, err := r.AddService(ServiceSettings{Name: "Front", MaxBatchSize: 4, Concurrency: func() (int64, int64) { return 1, 9 }})
		r.check(err)
		e, err := s.Endpoint("/shout")
		e.Begin(someTime)
		e.EndHTTP(&http.Request{Method: "POST", ProtoMajor: 1, ProtoMinor: 1}, 200, time.Second)
		s.Batch("shout", func() (int, int) { return 0, 0 }, func() bool { return false })
		r.check(err, r.Register(true), r.ObservePushes(&otlp.Stats{}, &otlp.Stats{}, nil, nil))
		gatherers = append(gatherers, r.Exporter.Gatherer())
	}
	families := check.Value(gatherers.Gather())(t)
	for _, f := range families {
		apps := map[string]bool{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "service_name" || l.GetName() == "service_version" {
					apps[l.GetValue()] = true
				}
			}
		}
		if !apps["shop"] || !apps["mail"] || !apps["3"] {
			t.Errorf("%s has the labels of %v", f.GetName(), apps)
		}
	}
	if len(families) < 24 {
		t.Errorf("%d families", len(families))
	}
}

// Families lists the metrics for the log.
func TestFamilies(t *testing.T) {
	all := metrics(func(m *config.Metrics) {
		m.Conventions, m.GoRuntime, m.Exposition.TargetInfo = []string{"bentoml", "http", "gen_ai"}, true, true
	})
	own := []string{"hits_total", "depth"}
	for _, c := range []struct {
		changes []func(*Settings)
		want    []string
	}{
		{nil, append([]string{"bentoml_service_*"}, append(slices.Clone(own), "ekiben_*")...)},
		{[]func(*Settings){all}, append([]string{"bentoml_service_*", "http_server_request_duration_seconds", "gen_ai_*"}, append(slices.Clone(own), "go_*", "ekiben_*", "target_info")...)},
		{[]func(*Settings){metrics(func(m *config.Metrics) { m.Conventions = []string{"http"} })}, append([]string{"http_server_request_duration_seconds"}, append(slices.Clone(own), "ekiben_*")...)},
	} {
		r := measure(t, c.changes...)
		_, err1 := r.Meter("A").Int64Counter("hits")
		_, err2 := r.Meter("B").Int64Gauge("depth")
		r.check(errors.Join(err1, err2))
		check.Equal(t, r.Families(), c.want)
	}
}
