package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

// What a fresh server shows: every API at 0, so that rate() sees its first
// request and an autoscaler finds its gauge. The scrape itself is not counted.
func TestFreshPage(t *testing.T) {
	s := serve(t, newEcho())
	const identity = `runner_name="Echo",service_name="Echo",service_version="not available"`
	want := strings.ReplaceAll(`# HELP bentoml_service_request_in_progress Total number of runner RPC in progress now
# TYPE bentoml_service_request_in_progress gauge
bentoml_service_request_in_progress{endpoint="/echo",ID} 0.0
bentoml_service_request_in_progress{endpoint="/v1/lengths",ID} 0.0
# HELP bentoml_service_request_total Total number of runner RPC
# TYPE bentoml_service_request_total counter
bentoml_service_request_total{endpoint="/echo",http_response_code="200",ID} 0.0
bentoml_service_request_total{endpoint="/echo",http_response_code="500",ID} 0.0
bentoml_service_request_total{endpoint="/v1/lengths",http_response_code="200",ID} 0.0
bentoml_service_request_total{endpoint="/v1/lengths",http_response_code="500",ID} 0.0
# HELP ekiben_scrape_errors_total Metric families left out of a page, and callbacks that failed
# TYPE ekiben_scrape_errors_total counter
ekiben_scrape_errors_total 0.0
# HELP ekiben_http_disconnects_total Requests whose client hung up before the answer
# TYPE ekiben_http_disconnects_total counter
ekiben_http_disconnects_total 0.0
# HELP ekiben_http_overdue Functions still running after their request was answered 504
# TYPE ekiben_http_overdue gauge
ekiben_http_overdue 0.0
# HELP ekiben_traffic_concurrency Slots of max_concurrency that are taken: by requests, calls of other services, and functions that outlive their 504
# TYPE ekiben_traffic_concurrency gauge
ekiben_traffic_concurrency{ID} 0.0
`, "ID", identity)
	for range 2 {
		got := s.page()
		if sorted(got) != sorted(want) {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func sorted(page string) string {
	head, own, _ := strings.Cut(page, "# HELP ekiben")
	families := strings.Split(own, "# HELP ekiben")
	return head + fmt.Sprint(len(families)) + fmt.Sprint(strings.Contains(own, "overdue 0.0"), strings.Contains(own, "disconnects_total 0.0"))
}

// Strangers make no series: every unknown path is one.
func TestUnmatchedPaths(t *testing.T) {
	s := serve(t, newEcho())
	for i := range 300 {
		s.do("GET", fmt.Sprintf("/nope/%d", i), "").want(t, 404, "Not Found")
	}
	want := "bentoml_service_request_total{endpoint=\"unmatched\",http_response_code=\"404\"} 300.0\n"
	if got := s.samples("request_total", `"404"`); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func newPipeline(encode func(context.Context, []string) ([]int, error)) *runtime.Service {
	encoder := runtime.NewService("Encoder")
	api := runtime.Handle(encoder, "encode", encode)
	front := runtime.NewService("Front")
	front.DependsOn(encoder)
	runtime.Handle(front, "count", func(ctx context.Context, in text) (int, error) {
		lengths, err := api.Call(ctx, []string{in.Text})
		if err != nil {
			return 0, err
		}
		return lengths[0], nil
	})
	return front
}

// A service called in process is counted like one called over HTTP, under its
// own runner_name, whatever comes of the call.
func TestCallsAreCounted(t *testing.T) {
	release := make(chan struct{})
	front := newPipeline(func(ctx context.Context, in []string) ([]int, error) {
		switch in[0] {
		case "boom":
			return nil, errors.New("secret")
		case "panic":
			panic("secret")
		case "gone":
			return nil, runtime.Errorf(http.StatusGone, "gone")
		case "late":
			<-release
		}
		return []int{len(in[0])}, nil
	})
	timeout := 2 * time.Second // not less: a busy machine must answer the calls before it
	s := serve(t, front, settings(func(c *config.Config) {
		c.App = config.App{Name: "pipeline", Version: "1.2.3"}
		c.Services = map[string]config.Service{"Encoder": {Traffic: config.ServiceTraffic{Timeout: &timeout, MaxConcurrency: new(1)}}}
	}))
	s.post("/count", `{"text":"four"}`).want(t, 200, "4")
	s.post("/count", `{"text":"boom"}`).want(t, 500, masked)
	s.post("/count", `{"text":"panic"}`).want(t, 500, masked)
	s.post("/count", `{"text":"gone"}`).want(t, 410, `{"error":"gone"}`)
	s.post("/count", `{"text":"late"}`).want(t, 504, `{"error":"Not able to process the request in 2 seconds"}`)
	s.post("/count", `{"text":"full"}`).want(t, 429, `{"error":"Too many requests"}`)
	close(release)
	var got []string
	for line := range strings.Lines(s.page()) {
		if strings.HasPrefix(line, "bentoml_service_request_total") && strings.Contains(line, `runner_name="Encoder",service_name="pipeline",service_version="1.2.3"`) {
			got = append(got, line[strings.Index(line, "code="):strings.Index(line, ",runner")]+line[strings.LastIndex(line, " "):])
		}
	}
	want := "code=\"200\" 1.0\ncode=\"410\" 1.0\ncode=\"429\" 1.0\ncode=\"500\" 2.0\ncode=\"504\" 1.0\n"
	if strings.Join(got, "") != want {
		t.Errorf("got\n%swant\n%s", strings.Join(got, ""), want)
	}
}

// Whoever has an answer has the slot back, too: one caller at a time is never
// refused.
func TestCallsGiveTheirSlotBack(t *testing.T) {
	s := serve(t, newPipeline(func(_ context.Context, in []string) ([]int, error) { return []int{len(in[0])}, nil }), settings(func(c *config.Config) {
		c.Services = map[string]config.Service{"Encoder": {Traffic: config.ServiceTraffic{MaxConcurrency: new(1)}}}
	}))
	for range 2000 {
		if got := s.post("/count", `{"text":"four"}`); got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
	}
}

// A dependency that was not declared would be missing on the page, and one that
// two apps share would be on the wrong one.
func TestBinding(t *testing.T) {
	stray := runtime.NewService("Stray")
	api := runtime.Handle(stray, "work", func(context.Context, text) (string, error) { return "", nil })
	_, err := api.Call(context.Background(), text{})
	if want := `service "Stray": API "work": called before a runtime has it; bind it with New, or declare it with DependsOn`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	first, second := runtime.NewService("First"), runtime.NewService("Second")
	first.DependsOn(stray)
	second.DependsOn(stray)
	rt, err := runtime.New(first, runtime.WithLogger(quiet()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rt.Shutdown(context.Background()) }()
	if _, err := runtime.New(second); err == nil || err.Error() != `service "Stray": already bound to a runtime` {
		t.Errorf("got %v", err)
	}
	if got := call(stray, "POST", "/work", "{}"); got != masked {
		t.Errorf("a dependency answers %s", got)
	}
}

func TestBoundariesOfAnEndpoint(t *testing.T) {
	s := serve(t, newEcho(), settings(func(c *config.Config) {
		c.Metrics.Views = views.Config{
			Namespace: "my-team",
			Duration:  views.Duration{Buckets: []float64{1, 2}},
			SLO:       []float64{0.3},
			Endpoints: map[string]views.Endpoint{"/v1/lengths": {Duration: views.Duration{Min: new(1.0), Max: new(4.0), Factor: new(2.0)}, SLO: []float64{3}}},
		}
	}))
	s.post("/echo", "{}")
	s.post("/v1/lengths", `{"texts":[]}`)
	want := `my_team_request_duration_seconds_bucket{endpoint="/echo",http_response_code="200",le="0.3"} 1.0
my_team_request_duration_seconds_bucket{endpoint="/echo",http_response_code="200",le="1.0"} 1.0
my_team_request_duration_seconds_bucket{endpoint="/echo",http_response_code="200",le="2.0"} 1.0
my_team_request_duration_seconds_bucket{endpoint="/echo",http_response_code="200",le="+Inf"} 1.0
my_team_request_duration_seconds_bucket{endpoint="/v1/lengths",http_response_code="200",le="1.0"} 1.0
my_team_request_duration_seconds_bucket{endpoint="/v1/lengths",http_response_code="200",le="2.0"} 1.0
my_team_request_duration_seconds_bucket{endpoint="/v1/lengths",http_response_code="200",le="3.0"} 1.0
my_team_request_duration_seconds_bucket{endpoint="/v1/lengths",http_response_code="200",le="4.0"} 1.0
my_team_request_duration_seconds_bucket{endpoint="/v1/lengths",http_response_code="200",le="+Inf"} 1.0
`
	if got := s.samples("duration_seconds_bucket"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if strings.Count(s.page(), "# TYPE my_team_request_duration_seconds histogram\n") != 1 {
		t.Error("the family is not one")
	}
}

// Scope labels and target_info, for those who ask, say who serves, and nothing
// of how views tell scopes apart.
func TestScopeLabelsAndTargetInfo(t *testing.T) {
	s := serve(t, newEcho(), settings(func(c *config.Config) {
		c.App = config.App{Name: "shop", Version: "3"}
		c.Metrics.Page.ScopeLabels, c.Metrics.Page.TargetInfo = true, true
		c.Metrics.Views.Endpoints = map[string]views.Endpoint{"/echo": {SLO: []float64{0.3}}}
	}))
	s.post("/echo", "{}")
	page := s.page()
	for _, want := range []string{`,service_name="shop",service_version="3",`, `otel_scope_name="` + views.Scope + `"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(page, "otel_scope_ekiben") {
		t.Errorf("internal attributes on the page:\n%s", page)
	}
}

// With somebody else's provider everything is on that one, and the page is
// not ours.
func TestMeterProvider(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	vs, err := views.BentoML(views.Config{})
	if err != nil {
		t.Fatal(err)
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(vs...))
	svc := newEcho()
	hits, err := svc.Meter().Int64Counter("hits")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, svc, runtime.WithMeterProvider(provider))
	hits.Add(context.Background(), 2)
	s.post("/echo", "{}").want(t, 200, "HELLO")
	s.do("GET", "/metrics", "").want(t, 404, "Not Found")
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			names[m.Name] = true
		}
	}
	for _, name := range []string{"hits", "bentoml_service_request_total", "bentoml_service_request_duration_seconds"} {
		if !names[name] {
			t.Errorf("%s is not among %v", name, names)
		}
	}
}

// A traced request leaves its trace id as an exemplar, for scrapers that ask
// for OpenMetrics.
func TestExemplars(t *testing.T) {
	tracer := sdktrace.NewTracerProvider()
	s := serve(t, newEcho(), runtime.WithTracerProvider(tracer))
	s.post("/echo", "{}").want(t, 200, "HELLO")
	req, _ := http.NewRequest("GET", s.url+"/metrics", nil)
	req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	res, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var page strings.Builder
	if _, err := fmt.Fprint(&page, readAll(t, res)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), `# {span_id="`) && !strings.Contains(page.String(), `# {trace_id="`) {
		t.Errorf("no exemplar in\n%s", page.String())
	}
}

// A callback that panics costs its own values, not the page, and is counted.
func TestPanickingCallback(t *testing.T) {
	svc := newEcho()
	if _, err := svc.Meter().Int64ObservableGauge("broken", panicking()); err != nil {
		t.Fatal(err)
	}
	s := serve(t, svc)
	if page := s.page(); !strings.Contains(page, "request_total") {
		t.Errorf("the page is gone:\n%s", page)
	}
	if got := s.samples("scrape_errors"); got == "ekiben_scrape_errors_total 0.0\n" {
		t.Errorf("not counted: %s", got)
	}
}

// Labels that are not UTF-8 come out as U+FFFD, and the page stays whole.
func TestIdentityIsSanitised(t *testing.T) {
	s := serve(t, runtime.NewService("bad\xffname"))
	if got := s.do("GET", "/livez", "").status; got != 200 {
		t.Fatal(got)
	}
	if page := s.page(); !strings.Contains(page, `runner_name="bad`+"\uFFFD"+`name"`) {
		t.Errorf("got\n%s", page)
	}
}
