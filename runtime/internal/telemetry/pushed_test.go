package telemetry

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

func pushing(temporality string) func(*Settings) {
	return func(s *Settings) {
		s.Config.OTLP.Enabled, s.Config.OTLP.Endpoint, s.Config.OTLP.Temporality = true, config.NewURL("http://collector"), temporality
	}
}

// A push has each metric once, in scopes without internal attributes. The parts that
// several views made of one metric are merged.
func TestPushedOnce(t *testing.T) {
	r := measure(t, pushing("cumulative"), metrics(func(m *config.Metrics) {
		m.Views.Endpoints = map[string]views.Endpoint{"/shout": {SLO: []float64{0.3}}}
	}))
	m := r.Meter("Front")
	plain, err1 := m.Int64Histogram("sizes")
	summary, err2 := m.(*meter).SummaryMeter().Int64Histogram("summary")
	r.check(err1, err2)
	plain.Record(bg, 1)
	summary.Record(bg, 1)
	for _, e := range r.endpoints("/shout", "/lengths") {
		record(e, 200, 0.2)
	}
	var got []string
	for _, scope := range r.pushed() {
		for _, m := range scope.Metrics {
			line := fmt.Sprintf("%s %d %s", scope.Scope.Name, scope.Scope.Attributes.Len(), m.Name)
			if h, ok := m.Data.(metricdata.Histogram[float64]); ok {
				line += fmt.Sprintf(" %d", len(h.DataPoints))
			}
			got = append(got, line)
		}
	}
	slices.Sort(got)
	same(t, "pushed", strings.Join(got, "\n"), `Front 0 sizes
Front 0 summary
github.com/ekiben-serving/ekiben 0 ekiben.http.disconnects
github.com/ekiben-serving/ekiben 0 ekiben.http.overdue
github.com/ekiben-serving/ekiben 0 ekiben.metrics.invalid
github.com/ekiben-serving/ekiben 0 ekiben.scrape.errors
github.com/ekiben-serving/ekiben 0 ekiben.traffic.concurrency
github.com/ekiben-serving/ekiben 0 ekiben.traffic.refused
github.com/ekiben-serving/ekiben/runtime 0 bentoml_service_last_request_timestamp_seconds
github.com/ekiben-serving/ekiben/runtime 0 bentoml_service_request_duration_seconds 2
github.com/ekiben-serving/ekiben/runtime 0 bentoml_service_request_in_progress
github.com/ekiben-serving/ekiben/runtime 0 bentoml_service_request_total`)
}

// The batch sizes of two services have their own boundaries, in one metric.
func TestPushedBatchSizes(t *testing.T) {
	r := measure(t, pushing("cumulative"))
	r.check(r.Prepare(Kinds{Batches: true}))
	for _, most := range []int{2, 8} {
		s, err := r.AddService(ServiceSettings{Name: fmt.Sprint("S", most), MaxBatchSize: most, Concurrency: func() (int64, int64) { return 0, 0 }})
		r.check(err)
		s.Batch("encode", func() (int, int) { return 0, 0 }, func() bool { return false }).Record(batcher.Batch{Requests: 1, Worker: 1})
	}
	var got []float64
	count := 0
	for _, scope := range r.pushed() {
		for _, m := range scope.Metrics {
			if h, ok := m.Data.(metricdata.Histogram[int64]); ok && strings.HasSuffix(m.Name, views.AdaptiveBatchSize) {
				count++
				for _, p := range h.DataPoints {
					got = append(got, p.Bounds...)
				}
			}
		}
	}
	slices.Sort(got)
	if want := []float64{1, 1, 2, 2, 4, 8}; count != 1 || !slices.Equal(got, want) {
		t.Errorf("%d metrics with the boundaries %v, want 1 with %v", count, got, want)
	}
}
