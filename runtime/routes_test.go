package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

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
		files := 0
		for _, m := range loads {
			if strings.HasPrefix(m[1], "static_content/") {
				files++
			}
			if got := s.do("GET", "/"+m[1], ""); got.status != 200 {
				t.Errorf("%s: %d", m[1], got.status)
			}
		}
		if got := s.samples("request_total", "/static_content/"); strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, fmt.Sprintf(`/static_content/",http_response_code="200"} %d.0`+"\n", files)) {
			t.Errorf("%d files were loaded, counted:\n%s", files, got)
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
