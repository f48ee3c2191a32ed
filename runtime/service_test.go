package runtime_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// newFront makes an app with two services. The entry service Front calls encode of
// the service Encoder for POST /count.
func newFront(encode func(context.Context, string) (int, error), opts ...runtime.Option) *runtime.App {
	app := newApp("Front", opts...)
	api := runtime.Handle(app.AddService("Encoder"), "encode", encode)
	runtime.Handle(app, "count", func(ctx context.Context, in text) (int, error) { return api.Call(ctx, in.Text) })
	return app
}

// encoderLimits limits the service Encoder to one call at a time, with a timeout.
func encoderLimits(timeout time.Duration) runtime.Option {
	return settings(func(c *config.Config) {
		c.App = config.App{Name: "pipeline", Version: "1.2.3"}
		c.Services = map[string]config.Service{"Encoder": {Traffic: config.ServiceTraffic{Timeout: &timeout, MaxConcurrency: new(1)}}}
	})
}

func postTo(h http.Handler, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
	return w
}

// samplesOf returns the lines of /metrics that contain all parts.
func samplesOf(h http.Handler, parts ...string) (found string) {
	for line := range strings.Lines(call(h, "GET", "/metrics", "")) {
		matches := !strings.HasPrefix(line, "#")
		for _, part := range parts {
			matches = matches && strings.Contains(line, part)
		}
		if matches {
			found += line
		}
	}
	return found
}

// A call in process is counted like a call over HTTP, under the service's own
// runner_name, with any result. After a 504, a call keeps its slot until its function
// returns.
func TestCallsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := handler(t, newFront(func(_ context.Context, in string) (int, error) {
			switch in {
			case "boom":
				return 0, errors.New("secret")
			case "panic":
				panic("secret")
			case "gone":
				return 0, runtime.Errorf(http.StatusGone, "gone")
			case "late":
				<-release
			}
			return len(in), nil
		}, encoderLimits(2*time.Second)))
		const masked = `{"error":"An unexpected error has occurred, please check the server log."}`
		for _, c := range []struct {
			in     string
			status int
			body   string
		}{
			{"four", 200, "4"}, {"boom", 500, masked}, {"panic", 500, masked}, {"gone", 410, `{"error":"gone"}`},
			{"late", 504, `{"error":"Not able to process the request in 2 seconds"}`}, {"full", 429, `{"error":"Too many requests"}`},
		} {
			if w := postTo(h, "/count", `{"text":"`+c.in+`"}`); w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("%s: got %d %s, want %d %s", c.in, w.Code, w.Body, c.status, c.body)
			}
		}
		close(release)
		synctest.Wait()
		if w := postTo(h, "/count", `{"text":"four"}`); w.Code != 200 {
			t.Errorf("the slot is not given back: %d %s", w.Code, w.Body)
		}
		want := strings.ReplaceAll(`bentoml_service_request_total{endpoint="/encode",http_response_code="200",ID} 2.0
bentoml_service_request_total{endpoint="/encode",http_response_code="410",ID} 1.0
bentoml_service_request_total{endpoint="/encode",http_response_code="429",ID} 1.0
bentoml_service_request_total{endpoint="/encode",http_response_code="500",ID} 2.0
bentoml_service_request_total{endpoint="/encode",http_response_code="504",ID} 1.0
`, "ID", `runner_name="Encoder",service_name="pipeline",service_version="1.2.3"`)
		check.Equal(t, samplesOf(h, "request_total", `"Encoder"`), want)
	})
}

// When a caller has its response, the slot is free: one caller at a time is never
// refused.
func TestCallsGiveTheirSlotBack(t *testing.T) {
	h := handler(t, newFront(func(_ context.Context, in string) (int, error) { return len(in), nil }, encoderLimits(time.Minute)))
	for range 2000 {
		if w := postTo(h, "/count", `{"text":"four"}`); w.Code != 200 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
}

// All services of an app share one registry of metric names, before Run and after. Run
// also returns the errors of names that were refused before.
func TestNamesOfAnApp(t *testing.T) {
	declare := func(app *runtime.App) (encoder *runtime.Service) {
		encoder = app.AddService("Encoder")
		for _, on := range []runtime.Declarer{app, encoder} {
			runtime.Handle(on, "work", func(context.Context, text) (string, error) { return "", nil })
		}
		return encoder
	}
	refused := func(_ any, err error) string {
		if err == nil {
			return "no error"
		}
		return err.Error()
	}
	app := newApp("Front")
	encoder := declare(app)
	_, err := app.Meter().Int64Histogram("x")
	clash := refused(encoder.Meter().Int64Gauge("x_count"))
	same := refused(encoder.Meter().Int64Counter("X"))
	if want := "service \"Encoder\": " + clash + "\nservice \"Encoder\": " + same; err != nil || refused(nil, app.Run(t.Context())) != want || refused(nil, app.Run(t.Context())) != want {
		t.Errorf("%v, Run: %v, want %s", err, app.Run(t.Context()), want)
	}
	for got, want := range map[string]string{
		clash: `gauge "x_count": service "Front" has a histogram named "x"`,
		same:  `counter "X": "X_total": service "Front" has a histogram named "x"`,
	} {
		check.Equal(t, got, want)
	}

	app = newApp("Front")
	encoder = declare(app)
	h := handler(t, app)
	late, err := app.Meter().Int64Gauge("depth")
	if got := refused(encoder.Meter().Int64Gauge("Depth")); err != nil || got != `gauge "Depth": service "Front" has a gauge named "depth"` {
		t.Errorf("%v, then %s", err, got)
	}
	check.Contains(t, refused(encoder.Meter().Int64Counter("bentoml_service_request")), `the runtime emits "bentoml_service_request_total" itself`)
	late.Record(t.Context(), 3)
	check.Equal(t, samplesOf(h, "depth"), "depth 3.0\n")
}

// Names that are not UTF-8 have U+FFFD in labels: otherwise the whole scrape would
// fail.
func TestNamesAreValidUTF8(t *testing.T) {
	app := newApp("bad\xffname")
	runtime.Handle(app, "work", func(context.Context, text) (string, error) { return "", nil })
	check.Contains(t, samplesOf(handler(t, app), "request_in_progress"), "runner_name=\"bad\uFFFDname\",service_name=\"bad\uFFFDname\"")
}

// With WithMeterProvider, metrics are recorded with that provider, and /metrics is
// 404.
func TestMeterProvider(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	log, logger := textLog(slog.LevelWarn)
	app := newApp("Front", runtime.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))), logger,
		settings(func(c *config.Config) { c.OTLP.Enabled, c.OTLP.Endpoint = true, config.NewURL("http://127.0.0.1:1") }))
	runtime.Handle(app, "work", func(context.Context, text) (string, error) { return "done", nil })
	h := handler(t, app)
	check.Equal(t, call(h, "POST", "/work", "{}")+call(h, "GET", "/metrics", ""), "doneNot Found")
	check.Contains(t, log.String(), `msg=configuration key=otlp notice="pushes no metrics, because runtime.WithMeterProvider is used: give that provider a reader that pushes"`)
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil || len(rm.ScopeMetrics) != 2 {
		t.Errorf("%v, got %v", err, rm.ScopeMetrics)
	}
}

// All unknown paths share one series, so that a client cannot create series without
// end. With metrics off there is none, and names are still checked.
func TestUnmatchedPaths(t *testing.T) {
	for _, on := range []bool{true, false} {
		app := newApp("Front", settings(func(c *config.Config) { c.Metrics.Enabled = on }))
		runtime.Handle(app, "work", func(context.Context, text) (string, error) { return "", nil })
		never := metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error { panic("boom") })
		_, err1 := app.Meter().Int64ObservableGauge("broken", never)
		h := handler(t, app)
		_, err2 := app.Meter().Int64Counter("broken")
		if err1 != nil || err2 == nil {
			t.Errorf("%v, then %v", err1, err2)
		}
		for _, path := range []string{"/a", "/b", "/a/b", "/%ff"} {
			call(h, "POST", path, "")
		}
		want := ""
		if on {
			want = `bentoml_service_request_total{endpoint="unmatched",http_response_code="404",runner_name="Front",service_name="Front",service_version="not available"} 4.0` + "\n"
		}
		if got := samplesOf(h, "request_total", "404"); got != want {
			t.Errorf("metrics %t: got %s", on, got)
		}
	}
}
