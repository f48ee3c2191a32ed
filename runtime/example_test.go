package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/instrument"
)

// A typed function, served by somebody else's mux.
func Example() {
	type Input struct {
		Text string `json:"text" minLength:"1"`
	}
	svc := runtime.NewService("Shouter")
	runtime.Handle(svc, "shout", func(_ context.Context, in Input) (string, error) {
		return strings.ToUpper(in.Text), nil
	})
	rt, err := runtime.New(svc, runtime.WithLogger(quiet()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = rt.Shutdown(context.Background()) }()
	mux := http.NewServeMux()
	mux.Handle("/", svc)

	fmt.Println(call(mux, "POST", "/shout", `{"text": "hello"}`))
	fmt.Println(call(mux, "POST", "/shout", `{}`))
	page := call(mux, "GET", "/metrics", "")
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "bentoml_service_request_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// HELLO
	// {"error":"1 validation error for Input","detail":[{"type":"missing","loc":["text"],"msg":"Field required"}]}
	// bentoml_service_request_total{endpoint="/shout",http_response_code="200",runner_name="Shouter",service_name="Shouter",service_version="not available"} 1.0
	// bentoml_service_request_total{endpoint="/shout",http_response_code="400",runner_name="Shouter",service_name="Shouter",service_version="not available"} 1.0
	// bentoml_service_request_total{endpoint="/shout",http_response_code="500",runner_name="Shouter",service_name="Shouter",service_version="not available"} 0.0
}

// Two services of one app; both are on its page.
func ExampleAPI_Call() {
	type Texts struct {
		Texts []string `json:"texts"`
	}
	type Text struct {
		Text string `json:"text"`
	}
	encoder := runtime.NewService("Encoder")
	encode := runtime.Handle(encoder, "encode", func(_ context.Context, in Texts) ([]int, error) {
		var lengths []int
		for _, text := range in.Texts {
			lengths = append(lengths, len(text))
		}
		return lengths, nil
	})
	front := runtime.NewService("Front")
	front.DependsOn(encoder)
	runtime.Handle(front, "length", func(ctx context.Context, in Text) (int, error) {
		lengths, err := encode.Call(ctx, Texts{Texts: []string{in.Text}})
		if err != nil {
			return 0, err
		}
		return lengths[0], nil
	})
	cfg := config.Default()
	cfg.App = config.App{Name: "text_pipeline", Version: "1.2.3"}
	rt, err := runtime.New(front, runtime.WithConfig(cfg), runtime.WithLogger(quiet()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = rt.Shutdown(context.Background()) }()
	fmt.Println(call(rt, "POST", "/length", `{"text": "four"}`))
	// Output: 4
}

// A function that calls another server over HTTP passes its trace on.
func ExampleService_Transport() {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Header.Get("Traceparent"))
	}))
	defer other.Close()
	svc := runtime.NewService("Front")
	client := &http.Client{Transport: svc.Transport(nil)}
	runtime.Handle(svc, "ask", func(ctx context.Context, _ struct{}) (string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, other.URL, nil) // the function's context, which has the trace
		if err != nil {
			return "", err
		}
		answer, err := client.Do(r)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(answer.Body)
		return string(body), errors.Join(err, answer.Body.Close())
	})
	cfg := config.Default()
	cfg.Tracing.Enabled, cfg.Tracing.SampleRate = true, 1
	rt, err := runtime.New(svc, runtime.WithConfig(cfg), runtime.WithLogger(quiet()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = rt.Shutdown(context.Background()) }()
	r := httptest.NewRequest("POST", "/ask", strings.NewReader("{}"))
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	w := httptest.NewRecorder()
	rt.ServeHTTP(w, r)
	trace, _, _ := strings.Cut(strings.TrimPrefix(w.Body.String(), "00-"), "-")
	fmt.Println(trace)
	// Output: 0af7651916cd43dd8448eb211c80319c
}

// A service's own metrics: plain OpenTelemetry, or typed labels over it.
func ExampleService_Meter() {
	type outcome struct {
		Status string `label:"status"`
	}
	svc := runtime.NewService("Summarization")
	requests, err := instrument.NewCounter[outcome](svc.Meter(), "summary_requests_total",
		instrument.Help("Total number of summarization requests"))
	if err != nil {
		fmt.Println(err)
		return
	}
	seconds, err := svc.Meter().Float64Histogram("inference_time_seconds", metric.WithUnit("s"),
		metric.WithDescription("Time taken for summarization inference"), metric.WithExplicitBucketBoundaries(0.1, 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = svc.Meter().Int64Gauge("queue.depth")
	fmt.Println(err)

	rt, err := runtime.New(svc, runtime.WithLogger(quiet()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = rt.Shutdown(context.Background()) }()
	requests.Add(context.Background(), outcome{Status: "success"}, 1)
	seconds.Record(context.Background(), 0.5)
	page := call(rt, "GET", "/metrics", "")
	fmt.Print(page[strings.Index(page, "# HELP summary"):strings.Index(page, "# HELP ekiben")])
	// Output:
	// gauge "queue.depth": would be "queue_depth" on the page; name it so
	// # HELP summary_requests_total Total number of summarization requests
	// # TYPE summary_requests_total counter
	// summary_requests_total{status="success"} 1.0
	// # HELP inference_time_seconds Time taken for summarization inference
	// # TYPE inference_time_seconds histogram
	// inference_time_seconds_sum 0.5
	// inference_time_seconds_bucket{le="0.1"} 0.0
	// inference_time_seconds_bucket{le="1.0"} 1.0
	// inference_time_seconds_bucket{le="+Inf"} 1.0
	// inference_time_seconds_count 1.0
}

func call(h http.Handler, method, path, body string) string {
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, httptest.NewRequest(method, path, strings.NewReader(body)))
	answer, err := io.ReadAll(recorder.Body)
	if err != nil {
		return err.Error()
	}
	return string(answer)
}
