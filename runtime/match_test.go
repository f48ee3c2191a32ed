package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Wildcards do not match "." and "..", which clients and proxies resolve.
func TestWildcardsRefuse(t *testing.T) {
	app := newApp("Models")
	runtime.Handle(app, "f", func(ctx context.Context, _ struct{}) (string, error) {
		return runtime.RequestFrom(ctx).PathValue("name"), nil
	},
		runtime.Route("/models/{name}/f"))
	s := serve(t, app)
	for path, want := range map[string]string{"a": "200", "a.b": "200", "...": "200", "%2e%2e": "404", "%2E": "404", "a%2Fb": "404", "a%00b": "404", "%ff": "404"} {
		conn := s.dial()
		_, _ = fmt.Fprintf(conn, "POST /models/%s/f HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", path)
		got, _ := io.ReadAll(conn)
		_ = conn.Close()
		if !strings.HasPrefix(string(got), "HTTP/1.1 "+want) {
			t.Errorf("%s: got %.40q, want %s", path, got, want)
		}
	}
}

// A literal segment is preferred to a wildcard, from left to right. A wildcard
// matches one segment, and its value is unescaped. Labels and documents keep the
// braces.
func TestPathParameters(t *testing.T) {
	app := newApp("Models", settings(func(c *config.Config) { c.HTTP.PathPrefix = "/ml" }))
	for name, route := range map[string]string{
		"all": "/models/{model}", "best": "/models/best", "run": "/models/{model}/run", "best_any": "/models/best/{what}",
		"version": "/models/{model}/v/{v}", "literal": "/{kind}/best", "any": "/{kind}/{name}",
	} {
		runtime.Handle(app, name, func(ctx context.Context, _ struct{}) (string, error) {
			r := runtime.RequestFrom(ctx)
			values := ""
			for _, wildcard := range []string{"model", "what", "v", "kind", "name", "none"} {
				if value := r.PathValue(wildcard); value != "" {
					values += " " + wildcard + "=" + value
				}
			}
			return r.Route() + values, nil
		}, runtime.Route(route))
	}
	s := direct(t, app)
	for path, want := range map[string]string{
		"/ml/models/whisper":        "/models/{model} model=whisper",
		"/ml/models/best":           "/models/best",
		"/ml/models/b%65st":         "/models/best",
		"/ml/models/whisper/run":    "/models/{model}/run model=whisper",
		"/ml/models/best/run":       "/models/best/{what} what=run",
		"/ml/models/best/v/2":       "/models/{model}/v/{v} model=best v=2",
		"/ml/models/a%20%C3%BC/run": "/models/{model}/run model=a ü",
		"/ml/other/best":            "/{kind}/best kind=other",
		"/ml/other/x":               "/{kind}/{name} kind=other name=x",
		"/ml/models/whisper/":       "/models/{model} model=whisper", // by a redirect
	} {
		s.post(path, "{}").want(t, 200, want)
	}
	for _, path := range []string{"/ml/models/a%2Fb/run", "/ml/models//run", "/ml/models/a/b/c/d", "/ml/x/", "/ml//", "/ml/models/../x", "/models/best"} {
		s.post(path, "{}").want(t, 404, "Not Found")
	}
	label := `request_total{endpoint="/ml/models/{model}/run",http_response_code="200",runner_name="Models",service_name="Models",service_version="not available"} 2.0`
	check.Contains(t, s.do("GET", "/ml/metrics", "").body, label)
	var docs struct {
		Paths map[string]map[string]struct {
			Parameters []any `json:"parameters"`
		} `json:"paths"`
	}
	check.Must(t, json.Unmarshal([]byte(s.do("GET", "/ml/docs.json", "").body), &docs))
	got := fmt.Sprint(docs.Paths["/ml/models/{model}/v/{v}"]["post"].Parameters)
	if want := "[map[in:path name:model required:true schema:map[minLength:1 type:string]] map[in:path name:v required:true schema:map[minLength:1 type:string]]]"; got != want {
		t.Errorf("the document has the parameters %s, want %s", got, want)
	}
}

// redirected sends a request, such as "POST /echo/", and the one to which it is redirected.
// Without a location it wants a 404. status is that of the last response.
func redirected(t *testing.T, prefix, request, location string, status int) {
	t.Helper()
	app := newEcho(settings(func(c *config.Config) { c.HTTP.PathPrefix = prefix }))
	runtime.Handle(app, "model", named("model"), runtime.Route("/models/{model}"))
	runtime.Handle(app, "colon", named("colon"), runtime.Route("/a:b"))
	s := direct(t, app)
	var locations []string
	s.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		locations = append(locations, fmt.Sprint(r.Response.StatusCode, " ", r.Response.Header.Get("Location")))
		return nil
	}
	method, path, _ := strings.Cut(request, " ")
	check.Equal(t, s.do(method, path, "{}").status, status)
	counted, want := "404", []string(nil)
	if location != "" {
		counted, want = "307", []string{"307 " + location}
	}
	check.Equal(t, locations, want)
	s.url += prefix
	check.Equal(t, s.samples("request_total", "unmatched"), `bentoml_service_request_total{endpoint="unmatched",http_response_code="`+counted+`"} 1.0`+"\n")
}

// There is one redirect, and it leads to the matched route.
func TestRedirects(t *testing.T) {
	for _, test := range []struct {
		prefix, request, location string
		status                    int // of the redirected request
	}{
		{"", "POST /echo/", "../echo", 200},
		{"", "POST /echo/?x=1&y", "../echo?x=1&y", 200},
		{"", "POST /v1/lengths/", "../lengths", 400},
		{"", "POST /models/a%20b/", "../a%20b", 200},
		{"", "GET /metrics/", "../metrics", 200},
		{"", "GET /healthz/", "../healthz", 200},
		{"", "POST /%65cho/", "../%65cho", 200},
		{"", "POST /a:b/", "../a:b", 200},
		{"/ml", "POST /ml/echo/", "../echo", 200},
		{"/ml", "GET /ml", "./ml/", 200},
		{"/ml", "GET /ml?x=1", "./ml/?x=1", 200},
		{"/ml", "GET /m%6c", "./m%6c/", 200},
		{"/a/b:c", "HEAD /a/b:c", "./b:c/", 200},
	} {
		t.Run(test.prefix+" "+test.request, func(t *testing.T) {
			redirected(t, test.prefix, test.request, test.location, test.status)
		})
	}
	for prefix, requests := range map[string][]string{ // that are not redirected
		"":    {"POST /echo%2F", "POST /v1%2Flengths", "POST /echo%2f", "POST /echo%2F/", "POST /echo//", "POST //echo", "GET /metrics%2F", "GET /healthz%2f", "GET //", "POST /models/a%2F", "POST /models%2Fa/"},
		"/ml": {"POST /ml/echo%2F", "GET /ml//", "GET /ml/%2F", "POST /ml", "BREW /ml", "POST /echo", "GET /mlx"},
	} {
		for _, request := range requests {
			t.Run(prefix+" "+request, func(t *testing.T) { redirected(t, prefix, request, "", 404) })
		}
	}
}

// A redirect works if the app is mounted below a path that it does not know.
func TestRedirectsAreRelative(t *testing.T) {
	app := newEcho(settings(func(c *config.Config) { c.HTTP.PathPrefix = "/team/a:b" }))
	mounted := &server{t: t, url: "http://direct/mount", http: &http.Client{Transport: recorded{http.StripPrefix("/mount", handler(t, app))}}}
	if got := mounted.do("GET", "/team/a:b?x=1", "", "Accept", "text/html"); got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
		t.Errorf("got %d %v", got.status, got.header)
	}
	mounted.post("/team/a:b/echo/", "{}").want(t, 200, "HELLO")
}

// For any path, there is a response, /metrics can be parsed, and no label has the
// path.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		"/echo", "/echo/", "//echo", "/\xff", "/a\nb", `/"} 1`, "", "*", "/..", "/%00", "/metrics/", "/livez/x", "/v1/lengths/",
		"/models/a", "/models/{model}", "/models//", "/models/\xff/", "/echo%2F",
	} {
		f.Add(seed)
	}
	app := newEcho()
	runtime.Handle(app, "model", named("model", "model"), runtime.Route("/models/{model}"))
	h := handler(f, app)
	known := regexp.MustCompile(`^(/|/echo|/v1/lengths|/models/\{model\}|/livez|/readyz|/healthz|/schema\.json|/docs\.json|/static_content/|unmatched)$`)
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: path}
		if unescaped, err := url.PathUnescape(path); err == nil {
			r.URL = &url.URL{Path: unescaped, RawPath: path}
		}
		response := httptest.NewRecorder()
		h.ServeHTTP(response, r)
		if response.Code < 200 || response.Code > 499 {
			t.Errorf("%q: %d", path, response.Code)
		}
		if to := response.Header().Get("Location"); to != "" && !strings.HasPrefix(to, "../") {
			t.Errorf("%q: redirected to %q", path, to)
		}
		exposition := httptest.NewRecorder()
		h.ServeHTTP(exposition, httptest.NewRequest("GET", "/metrics", nil))
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(exposition.Body)
		if err != nil {
			t.Fatalf("%q: /metrics cannot be parsed: %v", path, err)
		}
		for _, family := range families {
			for _, m := range family.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "endpoint" && !known.MatchString(l.GetValue()) {
						t.Errorf("%q: the label endpoint is %q", path, l.GetValue())
					}
				}
			}
		}
	})
}
