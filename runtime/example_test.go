package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/instrument"
	"github.com/ekiben-serving/ekiben/tasks"
)

// A typed function, served by your own mux.
func Example() {
	type Input struct {
		Text string `json:"text" minLength:"1"`
	}
	app := runtime.New("Shouter", runtime.WithLogger(quiet()))
	runtime.Handle(app, "shout", func(_ context.Context, in Input) (string, error) {
		return strings.ToUpper(in.Text), nil
	})
	handler, err := app.Handler()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = app.Shutdown(context.Background()) }()
	mux := http.NewServeMux()
	mux.Handle("/", handler)

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

// A task is submitted now, and its result is fetched later: over HTTP, or in process as here.
func ExampleHandleTask() {
	dir, err := os.MkdirTemp("", "tasks")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cfg := config.Default()
	cfg.Tasks.Path = filepath.Join(dir, "tasks.db")
	app := runtime.New("Shouter", runtime.WithConfig(cfg), runtime.WithLogger(quiet()))
	shout := runtime.HandleTask(app, "shout", func(_ context.Context, text string) (string, error) {
		return strings.ToUpper(text), nil
	})
	if _, err := app.Handler(); err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	defer func() { _ = app.Shutdown(ctx) }()

	id, err := shout.Submit(ctx, "hello")
	result := ""
	for err == nil || errors.Is(err, tasks.ErrNotEnded) {
		if result, err = shout.Result(ctx, id); err == nil {
			break
		}
	}
	fmt.Println(result, err)
	// Output: HELLO <nil>
}

// An app with two services; both are on /metrics.
func ExampleAPI_Call() {
	type Texts struct {
		Texts []string `json:"texts"`
	}
	type Text struct {
		Text string `json:"text"`
	}
	cfg := config.Default()
	cfg.App = config.App{Name: "text_pipeline", Version: "1.2.3"}
	app := runtime.New("Front", runtime.WithConfig(cfg), runtime.WithLogger(quiet()))
	encoder := app.AddService("Encoder")
	encode := runtime.Handle(encoder, "encode", func(_ context.Context, in Texts) ([]int, error) {
		var lengths []int
		for _, text := range in.Texts {
			lengths = append(lengths, len(text))
		}
		return lengths, nil
	})
	runtime.Handle(app, "length", func(ctx context.Context, in Text) (int, error) {
		lengths, err := encode.Call(ctx, Texts{Texts: []string{in.Text}})
		if err != nil {
			return 0, err
		}
		return lengths[0], nil
	})
	handler, err := app.Handler()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = app.Shutdown(context.Background()) }()
	fmt.Println(call(handler, "POST", "/length", `{"text": "four"}`))
	// Output: 4
}

// A function calls another server over HTTP and propagates its trace.
func ExampleService_Transport() {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Header.Get("Traceparent"))
	}))
	defer other.Close()
	cfg := config.Default()
	cfg.Tracing.Enabled, cfg.Tracing.SampleRate = true, 1
	app := runtime.New("Front", runtime.WithConfig(cfg), runtime.WithLogger(quiet()))
	client := &http.Client{Transport: app.Transport(nil)}
	runtime.Handle(app, "ask", func(ctx context.Context, _ struct{}) (string, error) {
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
	handler, err := app.Handler()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = app.Shutdown(context.Background()) }()
	r := httptest.NewRequest("POST", "/ask", strings.NewReader("{}"))
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	trace, _, _ := strings.Cut(strings.TrimPrefix(w.Body.String(), "00-"), "-")
	fmt.Println(trace)
	// Output: 0af7651916cd43dd8448eb211c80319c
}

// A service's own metrics: plain OpenTelemetry, or typed labels over it.
func ExampleService_Meter() {
	type outcome struct {
		Status string `label:"status"`
	}
	app := runtime.New("Summarization", runtime.WithLogger(quiet()))
	requests, err1 := instrument.NewCounter[outcome](app.Meter(), "summary_requests_total",
		instrument.Help("Total number of summarization requests"))
	seconds, err2 := app.Meter().Float64Histogram("inference_time_seconds", metric.WithUnit("s"),
		metric.WithDescription("Time taken for summarization inference"), metric.WithExplicitBucketBoundaries(0.1, 1))
	runtime.Handle(app, "summarize", func(ctx context.Context, _ struct{}) (string, error) {
		requests.Add(ctx, outcome{Status: "success"}, 1)
		seconds.Record(ctx, 0.5)
		return "short", nil
	})
	handler, err3 := app.Handler()
	if err := errors.Join(err1, err2, err3); err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = app.Shutdown(context.Background()) }()
	call(handler, "POST", "/summarize", "{}")
	page := call(handler, "GET", "/metrics", "")
	fmt.Print(page[strings.Index(page, "# HELP summary"):strings.Index(page, "# HELP ekiben")])
	// Output:
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

// Run returns all errors at once.
func ExampleApp_Run() {
	cfg := config.Default()
	cfg.Traffic.Timeout = -1
	app := runtime.New("Shouter", runtime.WithConfig(cfg), runtime.WithLogger(quiet()))
	_, _ = app.Meter().Int64Gauge("queue.depth")
	runtime.Handle(app, "shout", func(context.Context, struct{}) (string, error) { return "", nil }, runtime.Route("shout"))
	fmt.Println(app.Run(context.Background()))
	// Output:
	// service "Shouter": gauge "queue.depth": would be "queue_depth" on /metrics; use that name
	// service "Shouter": API "shout": route must begin with a slash, without "//", "/./", "/../", a trailing slash, a space, a control character, "%", "?", "#" or "*", found "shout"
	// traffic.timeout: must be 0 or at least 1ms, found -0.000000001
}

// A function reads its request, and sets headers and cookies of its response.
func ExampleRequestFrom() {
	app := runtime.New("Models", runtime.WithLogger(quiet()))
	runtime.Handle(app, "predict", func(ctx context.Context, _ struct{}) (string, error) {
		request, response := runtime.RequestFrom(ctx), runtime.ResponseFrom(ctx)
		response.SetStatus(http.StatusAccepted)
		response.SetHeader("Cache-Control", "no-store")
		return request.PathValue("model") + " for " + request.Header().Get("X-Tenant") + " at " + request.Route(), nil
	}, runtime.Route("/models/{model}/predict"))
	handler, err := app.Handler()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = app.Shutdown(context.Background()) }()
	r := httptest.NewRequest("POST", "/models/whisper/predict", nil)
	r.Header.Set("X-Tenant", "blue")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Cache-Control"), w.Body)
	// Output: 202 no-store whisper for blue at /models/{model}/predict
}

// A function takes a file from a form, and sends a file.
func ExampleFile() {
	type Recording struct {
		Audio runtime.File   `json:"audio" contentType:"audio/*"`
		Cover *runtime.Image `json:"cover"` // optional, because it is a pointer
		Speed float64        `json:"speed" default:"1"`
	}
	app := runtime.New("Studio", runtime.WithLogger(quiet()))
	runtime.Handle(app, "strip", func(_ context.Context, in Recording) (runtime.File, error) {
		content, err := in.Audio.Bytes()
		if err != nil {
			return runtime.File{}, err
		}
		return runtime.NewFile(in.Audio.Name(), "audio/wav", bytes.TrimPrefix(content, []byte("RIFF"))), nil
	})
	handler, err := app.Handler()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = app.Shutdown(context.Background()) }()

	form := "--x\r\nContent-Disposition: form-data; name=\"audio\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFFdata\r\n--x--\r\n"
	r := httptest.NewRequest("POST", "/strip", strings.NewReader(form))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Header().Get("Content-Disposition"), w.Body)
	// Output: attachment; filename="a.wav" data
}

// A service loads its model when the app starts, and calls it once before it is ready.
func ExampleService_Warm() {
	type Text struct {
		Text string `json:"text"`
	}
	app := runtime.New("Encoder", runtime.WithLogger(quiet()))
	encode := runtime.Handle(app, "encode", func(_ context.Context, in Text) (int, error) { return len(in.Text), nil })
	app.OnStart(func(context.Context) error { fmt.Println("load"); return nil })
	app.Warm(func(ctx context.Context) error {
		length, err := encode.Call(ctx, Text{Text: "warm"})
		fmt.Println("warm:", length)
		return err
	})
	app.OnStop(func(context.Context) error { fmt.Println("save"); return nil })
	handler, err := app.Handler()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ready:", call(handler, "POST", "/encode", `{"text": "four"}`))
	if err := app.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// load
	// warm: 4
	// ready: 4
	// save
}

// A function says which model it has used, and how many tokens.
func ExampleGenAI() {
	cfg := config.Default()
	cfg.Metrics.Conventions = []string{"gen_ai"}
	app := runtime.New("LLM", runtime.WithConfig(cfg), runtime.WithLogger(quiet()))
	runtime.Handle(app, "chat", func(ctx context.Context, _ struct{}) (string, error) {
		runtime.GenAI(ctx).Model("gemma-3-4b").Tokens(12, 34)
		return "hello", nil
	})
	handler, err := app.Handler()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = app.Shutdown(context.Background()) }()
	call(handler, "POST", "/chat", `{}`)
	for line := range strings.Lines(call(handler, "GET", "/metrics", "")) {
		if strings.HasPrefix(line, "gen_ai_client_token_usage_sum") {
			fmt.Print(line)
		}
	}
	// Output:
	// gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_provider_name="ekiben",gen_ai_request_model="gemma-3-4b",gen_ai_token_type="input",service_name="LLM",service_version="not available"} 12.0
	// gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_provider_name="ekiben",gen_ai_request_model="gemma-3-4b",gen_ai_token_type="output",service_name="LLM",service_version="not available"} 34.0
}

// Items of many requests reach the function together.
func ExampleHandleBatch() {
	app := runtime.New("Encoder", runtime.WithLogger(quiet()))
	runtime.HandleBatch(app, "encode", func(_ context.Context, texts []string) ([]int, error) {
		lengths := make([]int, len(texts))
		for i, text := range texts {
			lengths[i] = len(text)
		}
		return lengths, nil
	}, runtime.Batching(batcher.Config{MaxBatchSize: 32}), runtime.ItemsField("texts"))
	handler, err := app.Handler()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = app.Shutdown(context.Background()) }()
	fmt.Println(call(handler, "POST", "/encode", `{"texts": ["a", "bb"]}`))
	fmt.Println(call(handler, "POST", "/encode", `{"texts": "ccc"}`))
	// Output:
	// [1,2]
	// 3
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
