package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
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

const unclean = `route must begin with a slash, without "//", "/./", "/../", a trailing slash, a space, a control character, "%", "?", "#" or "*", found `

// named returns the name of the API and the values of its wildcards.
func named(name string, wildcards ...string) func(context.Context, struct{}) (string, error) {
	return func(ctx context.Context, _ struct{}) (string, error) {
		for _, w := range wildcards {
			name += " " + w + "=" + runtime.RequestFrom(ctx).PathValue(w)
		}
		return name, nil
	}
}

func TestRefusedRoutes(t *testing.T) {
	for problem, routes := range map[string][]string{
		"": {
			"/v1/score", "/v1.0/score", "/..a", "/ü", "/a:b@c", "/static_contents", "/static_content",
			"/{a}", "/a/{b}/c", "/{a}/{b}", "/{_}", "/{ü}",
		},
		unclean + "%q": {
			"", "a", "//a", "/a//b", "/a/", "/.", "/..", "/a/./b", "/a/../b", "/a b", "/a\u00a0b", "/a\tb", "/a\x00", "/a\u0085", "/\xff",
			"/%41", "/a?b", "/a#b", "/x/*", "/{a*}",
		},
		"route %s is reserved for the runtime; choose another with runtime.Route": {"/", "/metrics", "/static_content/page.js", "/static_content/mine"},
		"route %q: a wildcard must be a whole segment such as {name}, named as a Go identifier, found %[2]q": {
			"/{a}{b}", "/{a", "/a}", "/x{a}", "/{a}.json", "/{}", "/{1}", "/{a-b}", "/{{a}}", "/{a...}", "/{$}",
		},
		"route %q: a wildcard is a segment such as {id}, found %[2]q":   {"/:id", "/<id>", "/<int:id>"},
		"route %q: a wildcard is a segment such as {name}, found %[2]q": {"/<", "/>", "/:1", "/:id.json"},
		"route %q: the wildcard {a} must occur only once":               {"/{a}/{a}"},
	} {
		for _, route := range routes {
			app := newApp("Routed")
			runtime.Handle(app, "one", named("one"), runtime.Route(route))
			got, want := "", ""
			if err := app.Check(); err != nil {
				got = err.Error()
			}
			if problem != "" {
				want = `service "Routed": API "one": ` + fmt.Sprintf(strings.Replace(problem, `"%"`, `"%%"`, 1)+"%.0[2]s", route, strings.TrimPrefix(route, "/"))
			}
			if got != want {
				t.Errorf("%q:\n got %s\nwant %s", route, got, want)
			}
		}
	}
}

// Two routes that match the same paths are an error.
func TestRoutesOfOneShape(t *testing.T) {
	for routes, refused := range map[[2]string]bool{
		{"/a/{x}", "/a/{y}"}: true, {"/{x}/{y}", "/{y}/{x}"}: true, {"/a", "/a"}: true,
		{"/a/{x}", "/{x}/a"}: false, {"/{x}", "/a"}: false, {"/{x}", "/{x}/{y}"}: false,
	} {
		app := newApp("Routed")
		runtime.Handle(app, "one", named("one"), runtime.Route(routes[0]))
		runtime.Handle(app, "two", named("two"), runtime.Route(routes[1]))
		err, want := app.Check(), fmt.Sprintf(`service "Routed": API "two": route %s belongs to API "one" (%s)`, routes[1], routes[0])
		if (err != nil) != refused || refused && err.Error() != want {
			t.Errorf("%q: got %v", routes, err)
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

// There is one redirect, and it leads to the matched route.
func TestRedirects(t *testing.T) {
	for _, test := range []struct {
		prefix, method, path string
		location             string // "": 404 without a redirect
		status               int    // of the redirected request
	}{
		{"", "POST", "/echo/", "../echo", 200},
		{"", "POST", "/echo/?x=1&y", "../echo?x=1&y", 200},
		{"", "POST", "/v1/lengths/", "../lengths", 400},
		{"", "POST", "/models/a%20b/", "../a%20b", 200},
		{"", "GET", "/metrics/", "../metrics", 200},
		{"", "GET", "/healthz/", "../healthz", 200},
		{"", "POST", "/%65cho/", "../%65cho", 200},
		{"", "POST", "/a:b/", "../a:b", 200},
		{"/ml", "POST", "/ml/echo/", "../echo", 200},
		{"/ml", "GET", "/ml", "./ml/", 200},
		{"/ml", "GET", "/ml?x=1", "./ml/?x=1", 200},
		{"/ml", "GET", "/m%6c", "./m%6c/", 200},
		{"/a/b:c", "HEAD", "/a/b:c", "./b:c/", 200},
		{"", "POST", "/echo%2F", "", 0},
		{"", "POST", "/v1%2Flengths", "", 0},
		{"", "POST", "/echo%2f", "", 0},
		{"", "POST", "/echo%2F/", "", 0},
		{"", "POST", "/echo//", "", 0},
		{"", "POST", "//echo", "", 0},
		{"", "GET", "/metrics%2F", "", 0},
		{"", "GET", "/healthz%2f", "", 0},
		{"", "GET", "//", "", 0},
		{"", "POST", "/models/a%2F", "", 0},
		{"", "POST", "/models%2Fa/", "", 0},
		{"/ml", "POST", "/ml/echo%2F", "", 0},
		{"/ml", "GET", "/ml//", "", 0},
		{"/ml", "GET", "/ml/%2F", "", 0},
		{"/ml", "POST", "/ml", "", 0},
		{"/ml", "BREW", "/ml", "", 0},
		{"/ml", "POST", "/echo", "", 0},
		{"/ml", "GET", "/mlx", "", 0},
	} {
		t.Run(test.prefix+" "+test.method+" "+test.path, func(t *testing.T) {
			app := newEcho(settings(func(c *config.Config) { c.HTTP.PathPrefix = test.prefix }))
			runtime.Handle(app, "model", named("model"), runtime.Route("/models/{model}"))
			runtime.Handle(app, "colon", named("colon"), runtime.Route("/a:b"))
			s := direct(t, app)
			redirects := 0
			s.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
				redirects++
				if got := r.Response.Header.Get("Location"); got != test.location || r.Response.StatusCode != http.StatusTemporaryRedirect {
					t.Errorf("%d to %s", r.Response.StatusCode, got)
				}
				return nil
			}
			got := s.do(test.method, test.path, "{}")
			switch {
			case test.location == "" && (got.status != 404 || redirects != 0):
				t.Errorf("got %d after %d redirects", got.status, redirects)
			case test.location != "" && (got.status != test.status || redirects != 1):
				t.Errorf("got %d after %d redirects", got.status, redirects)
			}
			counted := `bentoml_service_request_total{endpoint="unmatched",http_response_code="404"} 1.0` + "\n"
			if test.location != "" {
				counted = strings.Replace(counted, "404", "307", 1)
			}
			s.url += test.prefix
			check.Equal(t, s.samples("request_total", "unmatched"), counted)
		})
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

func TestPathPrefix(t *testing.T) {
	s := direct(t, newEcho(settings(func(c *config.Config) { c.HTTP.PathPrefix = "/ml" })))
	s.post("/ml/echo", `{}`).want(t, 200, "HELLO")
	s.do("GET", "/ml/readyz", "").want(t, 200, "\n")
	s.do("GET", "/readyz", "").want(t, 404, "Not Found")
	s.post("/echo", `{}`).want(t, 404, "Not Found")
	if got := s.do("GET", "/ml/metrics", "").body; !strings.Contains(got, `request_total{endpoint="/ml/echo",http_response_code="200"`) {
		t.Errorf("the label lacks the prefix:\n%s", got)
	}
}

func TestMetricsOff(t *testing.T) {
	s := direct(t, newEcho(settings(func(c *config.Config) { c.Metrics.Enabled = false })))
	s.post("/echo", `{}`).want(t, 200, "HELLO")
	s.do("GET", "/metrics", "").want(t, 404, "Not Found")
}

// The home page, all files that it loads, and all paths in its documents exist below
// the prefix and are measured.
func TestHomePage(t *testing.T) {
	for _, prefix := range []string{"", "/ml", "/ml/v1"} {
		app := newEcho(settings(func(c *config.Config) {
			c.HTTP.PathPrefix = prefix
			c.App.Name, c.App.Version = "<Echo>", "1"
		}))
		s := direct(t, app)
		s.url += prefix
		if got := s.do("GET", "/", ""); !strings.HasPrefix(got.body, "<Echo> (1)\n\nPOST "+prefix+"/echo\nPOST "+prefix+"/v1/lengths\n") {
			t.Errorf("the list is %s", got.body)
		}
		page := s.do("GET", "/", "", "Accept", "text/html")
		loads := regexp.MustCompile(`(?:src|href)="([^"#:]+)"`).FindAllStringSubmatch(page.body, -1)
		if len(loads) < 8 || !strings.Contains(page.body, "&lt;Echo&gt;") {
			t.Errorf("the home page loads %v", loads)
		}
		for _, m := range loads {
			if got := s.do("GET", "/"+m[1], ""); got.status != 200 {
				t.Errorf("%s: %d", m[1], got.status)
			}
		}
		if got := s.samples("request_total", "/static_content/page.js", `"200"`); !strings.HasSuffix(got, " 1.0\n") {
			t.Error(got)
		}
		var docs struct{ Paths map[string]map[string]any }
		if err := json.Unmarshal([]byte(s.do("GET", "/docs.json", "").body), &docs); err != nil || len(docs.Paths) != 6 {
			t.Fatalf("%v: %v", err, docs)
		}
		for path, operations := range docs.Paths {
			for method := range operations {
				path := strings.TrimPrefix(path, prefix)
				if got := s.do(strings.ToUpper(method), path, `{"texts":[]}`); got.status != 200 {
					t.Errorf("%s %s: %d", method, path, got.status)
				}
			}
		}
		if got := s.do("GET", "/schema.json", ""); got.header.Get("Content-Type") != "application/json" || !strings.Contains(got.body, `"route":"`+prefix+`/echo"`) {
			t.Errorf("got %+v", got)
		}
	}
}

// Without the home page every client gets the list.
func TestHomePageOff(t *testing.T) {
	for _, prefix := range []string{"", "/ml"} {
		s := direct(t, newEcho(settings(func(c *config.Config) { c.HTTP.PathPrefix, c.HTTP.Page = prefix, false })))
		if got := s.do("GET", prefix+"/", "", "Accept", "text/html"); !strings.HasPrefix(got.body, "Echo (not available)\n") {
			t.Error(got.body)
		}
		s.do("GET", prefix+"/static_content/page.js", "").want(t, 404, "Not Found")
		if prefix != "" {
			s.do("GET", prefix, "").want(t, 404, "Not Found")
		}
	}
}

// The document has a 503 for an API that may pass on the 503 of a batch.
func TestDocsSayWhatIsRefused(t *testing.T) {
	double := func(_ context.Context, in []int) ([]int, error) { return in, nil }
	for name, declare := range map[string]func(*runtime.App){
		"plain":       func(*runtime.App) {},
		"other plain": func(app *runtime.App) { runtime.Handle(app.AddService("Other"), "below", named("below")) },
		"other batch": func(app *runtime.App) { runtime.HandleBatch(app.AddService("Other"), "below", double) },
		"beside":      func(app *runtime.App) { runtime.HandleBatch(app, "batch", double) },
	} {
		app := newApp("Front")
		runtime.Handle(app, "front", named("front"))
		declare(app)
		var docs struct {
			Paths map[string]map[string]struct{ Responses map[string]any }
		}
		check.Must(t, json.Unmarshal([]byte(direct(t, app).do("GET", "/docs.json", "").body), &docs))
		if _, says := docs.Paths["/front"]["post"].Responses["503"]; says != (name == "other batch") {
			t.Errorf("%s: it says 503: %v", name, says)
		}
		if batch, ok := docs.Paths["/batch"]; ok && batch["post"].Responses["503"] == nil {
			t.Errorf("%s: nothing says 503 of the batch", name)
		}
	}
}

// CORS is inside the measurement and the middleware.
func TestCORS(t *testing.T) {
	app, seen := newEcho(settings(func(c *config.Config) {
		c.HTTP.CORS = config.CORS{Enabled: true, AllowOrigins: []string{"*"}, AllowMethods: []string{"*"}}
	})), &spy{}
	app.Use(seen.use)
	s := direct(t, app)
	if got := s.do("POST", "/echo", `{"text":"x"}`, "Origin", "http://a"); got.body != "X" || got.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("got %+v", got)
	}
	got := s.do("OPTIONS", "/echo", "", "Origin", "http://a", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "Content-Type")
	if got.status != 200 || got.header.Get("Access-Control-Allow-Headers") != "content-type" || len(seen.statuses()) != 1 {
		t.Errorf("got %+v, middleware saw %v", got, seen.statuses())
	}
	if got := s.samples("request_total", `"/echo"`, `"200"`); !strings.HasSuffix(got, " 2.0\n") {
		t.Error(got)
	}
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
	known := regexp.MustCompile(`^(/|/echo|/v1/lengths|/models/\{model\}|/livez|/readyz|/healthz|/schema\.json|/docs\.json|/static_content/(page\.(js|css)|uPlot\.(js|css|LICENSE\.txt))|unmatched)$`)
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
