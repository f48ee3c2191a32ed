package telemetry

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is the telemetry of an app "shop" of version 3, and its log.
type rig struct {
	*Telemetry
	t   testing.TB
	log *bytes.Buffer
}

// measure builds telemetry that is closed at the end of the test.
func measure(t testing.TB, changes ...func(*Settings)) *rig {
	t.Helper()
	log := &bytes.Buffer{}
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	set := Settings{Config: config.Default(), App: Identity{"shop", "3"}, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: noTime}))}
	set.Config.Metrics.GoRuntime = false
	for _, change := range changes {
		change(&set)
	}
	made, err := New(set)
	r := &rig{made, t, log}
	r.check(err)
	t.Cleanup(func() { r.check(made.Shutdown(t.Context())) })
	return r
}

func metrics(change func(*config.Metrics)) func(*Settings) {
	return func(s *Settings) { change(&s.Config.Metrics) }
}

func (r *rig) check(errs ...error) {
	r.t.Helper()
	for _, err := range errs {
		if err != nil {
			r.t.Error(err)
		}
	}
}

// endpoints adds a service "Front" with the routes.
func (r *rig) endpoints(routes ...string) (all []*Endpoint) {
	r.t.Helper()
	r.check(r.Prepare(Kinds{}))
	front, err := r.AddService(ServiceSettings{Name: "Front", Concurrency: func() (int64, int64) { return 0, 0 }})
	r.check(err)
	for _, route := range routes {
		e, err := front.Endpoint(route)
		r.check(err)
		all = append(all, e)
	}
	r.check(r.Register(false))
	return all
}

// scrape returns the response of /metrics, without the labels of the services.
func (r *rig) scrape(accept ...string) string {
	r.t.Helper()
	request := httptest.NewRequest("GET", "/metrics", nil)
	for _, format := range accept {
		request.Header.Set("Accept", format)
	}
	response := httptest.NewRecorder()
	r.Exporter.ServeHTTP(response, request)
	if response.Code != 200 {
		r.t.Errorf("/metrics: %d %s", response.Code, response.Body)
	}
	return identity.Replace(response.Body.String())
}

var identity = strings.NewReplacer(
	`,runner_name="Front",service_name="shop",service_version="3"`, "",
	`,service_name="shop",service_version="3"`, "", `{service_name="shop",service_version="3"}`, "",
)

// samples returns the samples whose lines contain all parts.
func (r *rig) samples(parts ...string) string {
	r.t.Helper()
	return matching(r.scrape(), parts...)
}

func matching(exposition string, parts ...string) string {
	var found strings.Builder
	for line := range strings.Lines(exposition) {
		matches := !strings.HasPrefix(line, "#")
		for _, part := range parts {
			matches = matches && strings.Contains(line, part)
		}
		if matches {
			found.WriteString(line)
		}
	}
	return found.String()
}

// pushed returns what a push sends.
func (r *rig) pushed() []metricdata.ScopeMetrics {
	r.t.Helper()
	var rm metricdata.ResourceMetrics
	r.check(r.Pushed().Collect(r.t.Context(), &rm))
	return rm.ScopeMetrics
}

func same(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got\n%s\nwant\n%s", what, got, want)
	}
}
