package openinference_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
)

type point struct {
	X float32   `json:"x"`
	Y []float64 `json:"y" default:"[2]"`
}

type sum struct {
	Sum  float64 `json:"sum"`
	Name string  `json:"name"`
	Raw  []byte  `json:"raw"`
}

// serve serves an app with an API of each kind.
func serve(t *testing.T, change func(*config.Config), more ...func(*runtime.App)) http.Handler {
	t.Helper()
	cfg := config.Default()
	cfg.HTTP.OpenInference = true
	if change != nil {
		change(&cfg)
	}
	app := runtime.New("Points", runtime.WithConfig(cfg), runtime.WithLogger(slog.New(slog.DiscardHandler)))
	runtime.Handle(app, "add", func(_ context.Context, in point) (sum, error) {
		if in.X < 0 {
			return sum{}, &runtime.Error{Status: 422, Message: "x is negative"}
		}
		total := float64(in.X)
		for _, y := range in.Y {
			total += y
		}
		return sum{total, "é", []byte{0xff}}, nil
	})
	runtime.Handle(app, "shout", func(_ context.Context, in string) (string, error) { return strings.ToUpper(in), nil })
	runtime.HandleBatch(app, "double", func(_ context.Context, in []point) ([]float32, error) {
		out := make([]float32, len(in))
		for i := range in {
			out[i] = 2 * in[i].X
		}
		return out, nil
	}, runtime.Batching(batcher.Config{Policy: batcher.PolicyWindow, Window: time.Second}))
	runtime.Handle(app, "ragged", func(context.Context, struct{}) ([][]int, error) { return [][]int{{1}, {}}, nil })
	runtime.HandleStream(app, "words", func(context.Context, struct{}) iter.Seq2[string, error] { return nil })
	runtime.Handle(app, "any", func(context.Context, any) (any, error) { return nil, errors.New("not called") })
	for _, declare := range more {
		declare(app)
	}
	h, err := app.Handler()
	check.Must(t, err)
	t.Cleanup(func() { check.OK(t, app.Shutdown(context.Background())) })
	return h
}

func send(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Each request has its response.
func TestRequests(t *testing.T) {
	h := serve(t, func(c *config.Config) { c.App.Version, c.HTTP.MaxBodySize = "1.2", 1000 })
	x := `{"name":"x","datatype":"FP32","shape":[1],"data":[1.5]}`
	for request, want := range map[string]string{
		"GET /v2":                             `200 {"name":"Points","version":"1.2","extensions":["binary_tensor_data"]}`,
		"GET /v2/health/live":                 `200 {"live":true}`,
		"GET /v2/health/ready":                `200 {"ready":true}`,
		"GET /v2/models/add/ready":            `200 {"name":"add","ready":true}`,
		"GET /v2/models/add/versions/1.2":     `200 {"name":"add","versions":["1.2"],"platform":"ekiben","inputs":[{"name":"x","datatype":"FP32","shape":[1]},{"name":"y","datatype":"FP64","shape":[-1]}],"outputs":[{"name":"sum","datatype":"FP64","shape":[1]},{"name":"name","datatype":"BYTES","shape":[1]},{"name":"raw","datatype":"BYTES","shape":[1]}]}`,
		"GET /v2/models/shout":                `200 {"name":"shout","versions":["1.2"],"platform":"ekiben","inputs":[{"name":"input","datatype":"BYTES","shape":[1]}],"outputs":[{"name":"output","datatype":"BYTES","shape":[1]}]}`,
		"GET /v2/models/double":               `200 {"name":"double","versions":["1.2"],"platform":"ekiben","inputs":[{"name":"x","datatype":"FP32","shape":[-1]},{"name":"y","datatype":"FP64","shape":[-1,-1]}],"outputs":[{"name":"output","datatype":"FP32","shape":[-1]}]}`,
		"GET /v2/models/no":                   `404 {"error":"model \"no\": must be one of [add, shout, double, ragged]"}`,
		"GET /v2/models/words":                `404 {"error":"model \"words\": it is a stream"}`,
		"GET /v2/models/any/ready":            `404 {"error":"model \"any\": there is no such model, or not of this version"}`,
		"GET /v2/models/any":                  `404 {"error":"model \"any\": its input cannot be tensors: \"input\" must consist of scalars, or of lists of them; its result cannot be tensors: \"output\" must consist of scalars, or of lists of them"}`,
		"GET /v2/models/add/versions/2":       `404 {"error":"model \"add\": version must be one of [1.2], found \"2\""}`,
		"GET /v2/models/add/versions/2/ready": `404 {"error":"model \"add\": there is no such model, or not of this version"}`,
		"POST /v2/models/no/infer {}":         `404 {"error":"model \"no\": must be one of [add, shout, double, ragged]"}`,
		"POST /v2/health/live":                `405 {"error":"method must be GET, found POST"}`,
		"POST /v2/models/add/ready":           `405 {"error":"method must be GET, found POST"}`,
		"POST /v2/models/add":                 `405 {"error":"method must be GET, found POST"}`,
		"GET /v2/models/add/infer":            "405 Method Not Allowed",
		`POST /v2/models/add/infer {"id":"7","inputs":[` + x + `]}`:                                                      `200 {"model_name":"add","model_version":"1.2","id":"7","outputs":[{"name":"sum","datatype":"FP64","shape":[1],"data":[3.5]},{"name":"name","datatype":"BYTES","shape":[1],"data":["é"]},{"name":"raw","datatype":"BYTES","shape":[1],"data":["/w=="]}]}`,
		`POST /v2/models/add/versions/1.2/infer {"inputs":[` + x + `],"outputs":[{"name":"sum"}]}`:                       `200 {"model_name":"add","model_version":"1.2","outputs":[{"name":"sum","datatype":"FP64","shape":[1],"data":[3.5]}]}`,
		`POST /v2/models/add/infer {"inputs":[` + x + `],"outputs":[{"name":"no"}]}`:                                     `400 {"error":"output \"no\": must be one of sum, name, raw"}`,
		`POST /v2/models/add/infer {"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[-1]}]}`:                  `422 {"error":"x is negative"}`,
		`POST /v2/models/add/infer {"inputs":[{"name":"x","datatype":"FP32","shape":[1]}]}`:                              `400 {"error":"input \"x\": must have data or binary_data_size, found none"}`,
		`POST /v2/models/add/infer {"inputs":[{"name":"x","shape":[1],"parameters":{"binary_data_size":4}}]}`:            `400 {"error":"input \"x\": binary_data_size must be at most the 0 bytes that are left of the body, found 4"}`,
		`POST /v2/models/add/infer {"inputs":[{"name":"x","shape":[1],"data":[1],"parameters":{"binary_data_size":0}}]}`: `400 {"error":"input \"x\": must have data or binary_data_size, found both"}`,
		`POST /v2/models/add/infer [1]`:                                                                                                    `400 {"error":"the request must be an object, found a list"}`,
		`POST /v2/models/add/infer {"inputs":[{"name":"x","shape":"1"}]}`:                                                                  `400 {"error":"/inputs/0/shape must be a list, found a string"}`,
		`POST /v2/models/add/infer {"inputs":[{"name":"x","shape":[1.5]}]}`:                                                                `400 {"error":"/inputs/0/shape/0 must be a whole number, found a number"}`,
		`POST /v2/models/add/infer {"inputs":[{"name":5,"shape":[1]}]}`:                                                                    `400 {"error":"/inputs/0/name must be a string, found a number"}`,
		`POST /v2/models/add/infer {"inputs":[{"name":"x","data":[1]}]}`:                                                                   `400 {"error":"input \"x\": must have a shape, such as [1]"}`,
		`POST /v2/models/add/infer {"inputs":[{},{},{}]}`:                                                                                  `400 {"error":"inputs must be at most 2 tensors, found more"}`,
		`POST /v2/models/add/infer {"inputs":[{"name":"` + strings.Repeat("n", 300) + `","shape":[1],"datatype":"FP32","data":[1]}]}`:      `400 {"error":"input 0: name must be at most 256 bytes, found 300"}`,
		`POST /v2/models/add/infer {"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1,2]}]}`:                                   `400 {"error":"input \"x\": data must have 1 elements, as shape says, found more"}`,
		`POST /v2/models/add/infer {`:                                                                                                      `400 {"error":"the request must be JSON as the Open Inference Protocol has it: jsontext: unexpected EOF after offset 1"}`,
		`POST /v2/models/add/infer ` + strings.Repeat(" ", 999):                                                                            `400 {"error":"the request must be JSON as the Open Inference Protocol has it: jsontext: unexpected EOF after offset 999"}`,
		`POST /v2/models/add/infer ` + strings.Repeat("x", 1e4):                                                                            `413 {"error":"The request body must be at most 1000 bytes"}`,
		`POST /v2/models/add/infer {"inputs":[` + x + `],"outputs":[{},{},{},{}]}`:                                                         `400 {"error":"outputs must be at most 3 tensors, found more"}`,
		`POST /v2/models/add/infer {"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],"inputs":[{"shape":[1],"data":[7]}]}`: `400 {"error":"input \"\": must be one of x, y; input \"x\": must be there"}`,
		`POST /v2/models/add/infer {"inputs":[` + x + `,{"name":"y","datatype":"FP64","shape":[0],"data":null,"parameters":{"binary_data_size":0}}],"outputs":[{"name":"sum"}]}`: `200 {"model_name":"add","model_version":"1.2","outputs":[{"name":"sum","datatype":"FP64","shape":[1],"data":[1.5]}]}`,
		`POST /v2/models/double/infer {"inputs":[{"name":"x","datatype":"INT8","shape":[200],"data":[` + strings.TrimSuffix(strings.Repeat("1,", 200), ",") + `]}]}`:             `413 {"error":"The request body must be at most 1000 bytes"}`,
		`POST /v2/models/ragged/infer {}`: `500 {"error":"An unexpected error has occurred, please check the server log."}`,
		`POST /v2/models/shout/infer {"inputs":[{"name":"input","datatype":"BYTES","shape":[1,1],"data":[["a\"b"]]}]}`: `200 {"model_name":"shout","model_version":"1.2","outputs":[{"name":"output","datatype":"BYTES","shape":[1],"data":["A\"B"]}]}`,
	} {
		method, rest, _ := strings.Cut(request, " ")
		path, body, _ := strings.Cut(rest, " ")
		got := send(h, method, path, body)
		check.Equal(t, strconv.Itoa(got.Code)+" "+strings.TrimSuffix(got.Body.String(), "\n"), want)
	}
}

// Binary tensors follow the JSON, whose length a header has.
func TestBinary(t *testing.T) {
	h := serve(t, nil)
	text := `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}],"parameters":{"binary_data_output":true},"outputs":[{"name":"sum"},{"name":"name","parameters":{"binary_data":false}},{"name":"raw"}]}`
	x := string(binary.LittleEndian.AppendUint32(nil, math.Float32bits(1.5)))
	got := send(h, "POST", "/v2/models/add/infer", text+x, "Inference-Header-Content-Length", strconv.Itoa(len(text)))
	length := check.Value(strconv.Atoi(got.Header().Get("Inference-Header-Content-Length")))(t)
	check.Equal(t, got.Body.String()[:length], `{"model_name":"add","outputs":[{"name":"sum","datatype":"FP64","shape":[1],"parameters":{"binary_data_size":8}},`+
		`{"name":"name","datatype":"BYTES","shape":[1],"data":["é"]},{"name":"raw","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}}]}`)
	check.Equal(t, got.Body.String()[length:], string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(3.5)))+"\x01\x00\x00\x00\xff")
	check.Equal(t, got.Header().Get("Content-Type"), "application/octet-stream")
	for length, want := range map[string]string{
		"x":     `Inference-Header-Content-Length must be a number of bytes up to the length of the body, 222, found "x"`,
		"99999": `Inference-Header-Content-Length must be a number of bytes up to the length of the body, 222, found "99999"`,
		"-1":    `Inference-Header-Content-Length must be a number of bytes up to the length of the body, 222, found "-1"`,
	} {
		var failed struct{ Error string }
		check.OK(t, json.Unmarshal(send(h, "POST", "/v2/models/add/infer", text[:218]+x, "Inference-Header-Content-Length", length).Body.Bytes(), &failed))
		check.Equal(t, failed.Error, want)
	}
	got = send(h, "POST", "/v2/models/add/infer", text+x+"y", "Inference-Header-Content-Length", strconv.Itoa(len(text)))
	check.Equal(t, got.Body.String(), `{"error":"the inputs must take all binary data, found 1 bytes more"}`)
}

// A call over the protocol is a request of the API: in one batch with others, and with one
// count.
func TestSameDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, nil)
		var clients sync.WaitGroup
		clients.Go(func() {
			check.Equal(t, send(h, "POST", "/double", `{"items":[{"x":1,"y":[]},{"x":2,"y":[]}]}`).Body.String(), "[2,4]")
		})
		clients.Go(func() {
			const body = `{"inputs":[{"name":"x","datatype":"FP32","shape":[3,1],"data":[3,4,5]},{"name":"y","datatype":"FP64","shape":[3,0],"data":[]}]}`
			check.Equal(t, send(h, "POST", "/v2/models/double/infer", body).Body.String(), `{"model_name":"double","outputs":[{"name":"output","datatype":"FP32","shape":[3],"data":[6,8,10]}]}`)
		})
		clients.Wait()
		page := send(h, "GET", "/metrics", "").Body.String()
		check.Contains(t, page,
			`bentoml_service_request_total{endpoint="/double",http_response_code="200",runner_name="Points",service_name="Points",service_version="not available"} 2`,
			`bentoml_service_adaptive_batch_size_sum{method_name="double",runner_name="Points",service_name="Points",service_version="not available",worker_index="1"} 2`,
			`bentoml_service_adaptive_batch_size_count{method_name="double",runner_name="Points",service_name="Points",service_version="not available",worker_index="1"} 1`)
		if strings.Contains(page, `endpoint="/v2/models/double`) {
			t.Error("the protocol has a count of its own")
		}
	})
}

// A path of the protocol cannot be an API's, and the key needs the import.
func TestErrors(t *testing.T) {
	cfg := config.Default()
	cfg.HTTP.OpenInference = true
	app := runtime.New("A", runtime.WithConfig(cfg))
	runtime.Handle(app, "x", func(context.Context, struct{}) (int, error) { return 1, nil }, runtime.Route("/v2/models/{m}/infer"))
	check.Error(t, app.Check(), `http.open_inference: API "x" has the route /v2/models/{m}/infer, which is the protocol's (/v2/models/{name}/infer); give it another`)
	app = runtime.New("A", runtime.WithConfig(cfg))
	runtime.Handle(app, "x", func(context.Context, struct{}) (int, error) { return 1, nil }, runtime.Route("/v2/models/y"))
	app.Mount("/v2/health", http.NotFoundHandler())
	err := app.Check()
	check.Contains(t, err.Error(), `API "x" has the route /v2/models/y, which is the protocol's (/v2/models/{name}); give it another`,
		"a handler is mounted at /v2/health, which has the protocol's path /v2/health/live; mount it elsewhere")
	cfg.App.Version = "1.0 beta"
	app = runtime.New("A", runtime.WithConfig(cfg))
	runtime.Handle(app, "x", func(context.Context, struct{}) (int, error) { return 1, nil })
	check.Error(t, app.Check(), `http.open_inference: app.version: must have only letters, digits, and . _ ~ + -, because paths have it, found "1.0 beta"`)
	defer protocol.OpenInference.Remove()()
	app = runtime.New("A", runtime.WithConfig(cfg))
	runtime.Handle(app, "x", func(context.Context, struct{}) (int, error) { return 1, nil })
	check.Error(t, app.Check(), `http.open_inference: needs a package that this program does not link; add: import _ "github.com/ekiben-serving/ekiben/runtime/openinference"`)
}

// The routes of the protocol pass auth and drain as the others do.
func TestGuarded(t *testing.T) {
	h := serve(t, func(c *config.Config) { c.HTTP.Auth.BearerTokens = config.NewSecret("secret-token-of-a-test") })
	for path, want := range map[string]int{"/v2/models/add/infer": 401, "/v2": 401} {
		check.Equal(t, send(h, "POST", path, "{}").Code, want)
	}
	for _, path := range []string{"/v2/health/ready", "/v2/models/add/ready"} {
		check.Equal(t, send(h, "GET", path, "").Code, 200)
	}
	page := send(h, "GET", "/metrics", "").Body.String()
	check.Contains(t, page, `bentoml_service_request_total{endpoint="/readyz",http_response_code="200",runner_name="Points",service_name="Points",service_version="not available"} 2`)
	if strings.Contains(page, `endpoint="/v2/health`) {
		t.Error("a probe has a count of its own")
	}
}

// What a function says of its own result is not said of the translated one, and a prefix that
// looks like a path of the protocol is none.
func TestHeadersAndPrefix(t *testing.T) {
	h := serve(t, func(c *config.Config) { c.HTTP.PathPrefix = "/v2/models/prod" }, func(app *runtime.App) {
		runtime.Handle(app, "packed", func(ctx context.Context, _ struct{}) ([]byte, error) {
			runtime.ResponseFrom(ctx).SetHeader("Content-Encoding", "gzip")
			runtime.ResponseFrom(ctx).SetHeader("X-Kept", "yes")
			return []byte{1}, nil
		})
	})
	got := send(h, "POST", "/v2/models/prod/v2/models/packed/infer", "{}")
	check.Equal(t, got.Body.String(), `{"model_name":"packed","outputs":[{"name":"output","datatype":"BYTES","shape":[1],"data":["AQ=="]}]}`)
	check.Equal(t, got.Header().Get("Content-Encoding")+got.Header().Get("X-Kept")+got.Header().Get("Content-Type"), "yesapplication/json")
	check.Equal(t, send(h, "GET", "/v2/models/prod/v2/models/add", "").Code, 200)
	check.Equal(t, send(h, "GET", "/v2/models/prod/v2/models/no", "").Code, 404)
}
