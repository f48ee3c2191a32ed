package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/views"
)

const masked = `{"error":"An unexpected error has occurred, please check the server log."}`

func newEcho() *runtime.Service {
	svc := runtime.NewService("Echo")
	runtime.Handle(svc, "echo", func(_ context.Context, in text) (string, error) {
		switch in.Text {
		case "boom":
			return "", errors.New("secret: boom")
		case "panic":
			panic("secret: panic")
		case "teapot":
			return "", runtime.Errorf(http.StatusTeapot, "no coffee")
		case "wrapped":
			return "", fmt.Errorf("outer: %w", &runtime.Error{Status: 409, Message: "taken", Detail: []int{1}})
		case "odd":
			return "", runtime.Errorf(200, "secret: not an error")
		}
		return strings.ToUpper(in.Text), nil
	})
	runtime.Handle(svc, "lengths", func(_ context.Context, in struct {
		Texts []string `json:"texts"`
	}) ([]int, error) {
		lengths := []int{}
		for _, s := range in.Texts {
			lengths = append(lengths, len(s))
		}
		return lengths, nil
	}, runtime.Route("/v1/lengths"))
	return svc
}

// The wire is BentoML's, in our own server and behind somebody else's mux.
func TestWire(t *testing.T) {
	for name, host := range map[string]func(*testing.T, *runtime.Service, ...runtime.Option) *server{"own": serve, "foreign": foreign} {
		t.Run(name, func(t *testing.T) {
			var log logBuffer
			s := host(t, newEcho(), runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			for _, test := range []struct {
				method, path, body string
				status             int
				want               string
			}{
				{"POST", "/echo", `{"text":"hello"}`, 200, "HELLO"},
				{"POST", "/echo", `{}`, 200, "HELLO"},
				{"POST", "/echo", ``, 200, "HELLO"},
				{"POST", "/echo", `{"text":"a","other":1}`, 200, "A"},
				{"POST", "/v1/lengths", `{"texts":["a","bb"]}`, 200, "[1,2]"},
				{"POST", "/v1/lengths", `{"texts":[]}`, 200, "[]"},
				{"POST", "/echo", `{"text":"boom"}`, 500, masked},
				{"POST", "/echo", `{"text":"panic"}`, 500, masked},
				{"POST", "/echo", `{"text":"odd"}`, 500, masked},
				{"POST", "/echo", `{"text":"teapot"}`, 418, `{"error":"no coffee"}`},
				{"POST", "/echo", `{"text":"wrapped"}`, 409, `{"error":"taken","detail":[1]}`},
				{"POST", "/echo", `{"text":4}`, 400, `{"error":"1 validation error for Input","detail":[{"type":"string_type","loc":["text"],"msg":"Input should be a valid string"}]}`},
				{"POST", "/v1/lengths", `{}`, 400, `{"error":"1 validation error for Input","detail":[{"type":"missing","loc":["texts"],"msg":"Field required"}]}`},
				{"POST", "/v1/lengths", `["a"]`, 400, `{"error":"1 validation error for Input","detail":[{"type":"model_type","loc":[],"msg":"Input should be an object"}]}`},
				{"GET", "/echo", "", 405, "Method Not Allowed"},
				{"INVENTED", "/echo", "", 405, "Method Not Allowed"},
				{"GET", "/nope", "", 404, "Not Found"},
				{"GET", "/livez", "", 200, "\n"},
				{"GET", "/readyz", "", 200, "\n"},
				{"GET", "/healthz", "", 200, "\n"},
				{"POST", "/livez", "", 405, "Method Not Allowed"},
			} {
				got := s.do(test.method, test.path, test.body)
				if got.status != test.status || got.body != test.want {
					t.Errorf("%s %s %s: got %d %s\nwant %d %s", test.method, test.path, test.body, got.status, got.body, test.status, test.want)
				}
			}
			if text := log.String(); strings.Count(text, "secret: ") < 3 || !strings.Contains(text, "secret: boom") {
				t.Errorf("the log lacks the errors' own texts:\n%s", text)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	s := serve(t, newEcho())
	for body, contentType := range map[string]string{`{"text":"x"}`: "text/plain; charset=utf-8", `{"text":"boom"}`: "application/json"} {
		h := s.post("/echo", body).header
		if h.Get("Content-Type") != contentType || h.Get("Server") != "BentoML Service/Echo" || len(h.Get("X-BentoML-Request-ID")) != 16 {
			t.Errorf("%s: got %v", body, h)
		}
	}
	if got := s.do("GET", "/echo", "").header.Get("Allow"); got != "POST" {
		t.Errorf("Allow: %q", got)
	}
}

func TestTrailingSlashRedirects(t *testing.T) {
	s := serve(t, newEcho())
	s.post("/v1/lengths/", `{"texts":["abc"]}`).want(t, 200, "[3]") // the client follows the 307
	s.post("//echo", `{}`).want(t, 404, "Not Found")
	want := `bentoml_service_request_total{endpoint="unmatched",http_response_code="307"} 1.0
bentoml_service_request_total{endpoint="unmatched",http_response_code="404"} 1.0
`
	if got := s.samples("request_total", "unmatched"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestBodies(t *testing.T) {
	s := serve(t, newEcho(), settings(func(c *config.Config) { c.HTTP.MaxBodySize = 64 }))
	tooLarge := `{"error":"The request body must be at most 64 bytes"}`
	s.post("/echo", `{"text":"`+strings.Repeat("x", 100)+`"}`).want(t, 413, tooLarge)
	for name, test := range map[string]struct {
		header, value, body string
		status              int
	}{
		"chunked and too large": {"X", "Y", `{"text":"` + strings.Repeat("x", 100) + `"}`, 413},
		"compressed":            {"Content-Encoding", "gzip", "{}", 415},
		"multipart":             {"Content-Type", "multipart/form-data; boundary=x", "{}", 415},
		"form":                  {"Content-Type", "application/x-www-form-urlencoded", "text=x", 415},
		"JSON labelled a form":  {"Content-Type", "application/x-www-form-urlencoded", "{}", 200},
		"JSON labelled text":    {"Content-Type", "text/plain", "{}", 200},
	} {
		req, _ := http.NewRequest("POST", s.url+"/echo", struct{ *strings.Reader }{strings.NewReader(test.body)}) // no length
		req.Header.Set(test.header, test.value)
		res, err := s.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != test.status {
			t.Errorf("%s: got %d, want %d", name, res.StatusCode, test.status)
		}
	}
}

func TestMiddlewareRunsInsideTheMeasurement(t *testing.T) {
	svc := newEcho()
	var order []string
	note := func(name string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				order = append(order, name)
				if r.Header.Get("Content-Type") == "" || r.URL.Query().Has("refuse") {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	}
	svc.Use(note("first"), note("second"))
	s := serve(t, svc)
	s.post("/echo", `{}`).want(t, 200, "HELLO")
	s.post("/echo?refuse", `{}`).want(t, 401, "")
	s.do("GET", "/livez?refuse", "").want(t, 200, "\n")
	if got := strings.Join(order, " "); got != "first second first" {
		t.Errorf("order: %s", got)
	}
	want := `bentoml_service_request_total{endpoint="/echo",http_response_code="200"} 1.0
bentoml_service_request_total{endpoint="/echo",http_response_code="401"} 1.0
bentoml_service_request_total{endpoint="/echo",http_response_code="500"} 0.0
`
	if got := s.samples("request_total", `"/echo"`); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestPathPrefix(t *testing.T) {
	s := serve(t, newEcho(), settings(func(c *config.Config) { c.HTTP.PathPrefix = "/ml" }))
	s.post("/ml/echo", `{}`).want(t, 200, "HELLO")
	s.do("GET", "/ml/readyz", "").want(t, 200, "\n")
	s.post("/echo", `{}`).want(t, 404, "Not Found")
	if page := s.do("GET", "/ml/metrics", "").body; !strings.Contains(page, `request_total{endpoint="/ml/echo",http_response_code="200"`) {
		t.Errorf("the label lacks the prefix:\n%s", page)
	}
}

func TestMetricsOff(t *testing.T) {
	s := serve(t, newEcho(), settings(func(c *config.Config) { c.Metrics.Enabled = false }))
	s.post("/echo", `{}`).want(t, 200, "HELLO")
	s.do("GET", "/metrics", "").want(t, 404, "Not Found")
}

func TestDeclarationErrors(t *testing.T) {
	svc := runtime.NewService("Bad")
	fn := func(context.Context, text) (string, error) { return "", nil }
	runtime.Handle(svc, "a b", fn)
	runtime.Handle(svc, "same", fn)
	runtime.Handle(svc, "same", fn)
	runtime.Handle(svc, "other", fn, runtime.Route("/same"))
	runtime.Handle(svc, "metrics", fn)
	runtime.Handle(svc, "slash", fn, runtime.Route("/slash/"))
	runtime.Handle[text, string](svc, "none", nil)
	twin := runtime.NewService("Bad")
	svc.DependsOn(twin)
	cfg := config.Default()
	cfg.Services = map[string]config.Service{"Nobody": {}}
	cfg.Traffic.Timeout = -time.Second
	cfg.Metrics.Views.Endpoints = map[string]views.Endpoint{"/nobody": {}, "/same": {}}
	_, err := runtime.New(svc, runtime.WithConfig(cfg))
	want := `service "Bad": API "a b": must be a name of letters, digits and underscores, such as summarize
service "Bad": API "same": declared twice
service "Bad": API "other": route /same is API "same"'s
service "Bad": API "metrics": route /metrics is the runtime's own; choose another with runtime.Route
service "Bad": API "slash": route must begin with a slash, without "//", "/./", "/../", a trailing slash, a space, a control character, "%", "?" or "#", found "/slash/"
service "Bad": API "none": function is nil
service "Bad": two services have this name
services.Nobody: no service has this name; services: Bad, Bad
metrics.endpoints./nobody: no API has this route; routes: /a b, /same, /same, /same, /metrics, /slash/, /none, /, /metrics, /healthz, /livez, /readyz, /schema.json, /docs.json
traffic.timeout: must be 0 or at least 1ms, found -1`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if _, err := runtime.New(svc); err == nil || err.Error() != `service "Bad": already bound to a runtime` {
		t.Errorf("second New: %v", err)
	}
}

// What is declared after the service was bound has no effect, and is not
// passed over in silence.
func TestDeclaredTooLate(t *testing.T) {
	var log logBuffer
	svc := newEcho()
	s := serve(t, svc, runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	runtime.Handle(svc, "late", func(context.Context, text) (string, error) { return "", nil })
	s.post("/late", "{}").want(t, 404, "Not Found")
	if want := `service=Echo declaration="Handle late"`; !strings.Contains(log.String(), want) {
		t.Errorf("the log lacks %s:\n%s", want, log.String())
	}
}

func TestSchemaAndDocs(t *testing.T) {
	s := serve(t, newEcho())
	for _, path := range []string{"/schema.json", "/docs.json"} {
		got := s.do("GET", path, "")
		if got.status != 200 || got.header.Get("Content-Type") != "application/json" || !json.Valid([]byte(got.body)) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

// The document lists what an API answers by itself, and where it says when to
// come back.
func TestDocsListTheAnswers(t *testing.T) {
	above := func(name string, below *runtime.Service) *runtime.Service {
		svc := runtime.NewService(name)
		runtime.Handle(svc, name, func(context.Context, text) (string, error) { return "", nil })
		svc.DependsOn(below)
		return svc
	}
	for path, test := range map[string]struct {
		svc  *runtime.Service
		want string
	}{
		"/plain":     {above("plain", newEcho()), "200 400 413 415 429 500 504"},
		"/front":     {above("front", newEncoder(batcher.Config{}, nil)), "200 400 413 415 429 500 503,Retry-After 504"},
		"/far":       {above("far", above("between", newEncoder(batcher.Config{}, nil))), "200 400 413 415 429 500 503,Retry-After 504"},
		"/echo":      {newEcho(), "200 400 413 415 429 500 504"},
		"/v1/encode": {newEncoder(batcher.Config{}, nil), "200 400 413 415 429 500 503,Retry-After 504"},
	} {
		var docs struct {
			Paths map[string]struct {
				Post struct {
					Responses map[string]struct {
						Headers map[string]any `json:"headers"`
						Content map[string]any `json:"content"`
					} `json:"responses"`
				} `json:"post"`
			} `json:"paths"`
		}
		if err := json.Unmarshal([]byte(serve(t, test.svc).do("GET", "/docs.json", "").body), &docs); err != nil {
			t.Fatal(err)
		}
		var got []string
		for status, response := range docs.Paths[path].Post.Responses {
			for header := range response.Headers {
				status += "," + header
			}
			got = append(got, status)
			if len(response.Content) != 1 {
				t.Errorf("%s: %s has the contents %v", path, status, response.Content)
			}
		}
		slices.Sort(got)
		if found := strings.Join(got, " "); found != test.want {
			t.Errorf("%s: got %s, want %s", path, found, test.want)
		}
	}
}
