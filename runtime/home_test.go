package runtime_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// A browser is shown the page, and everything that it loads is there, from this
// server alone; everybody else gets the list of routes.
func TestHome(t *testing.T) {
	for _, prefix := range []string{"", "/ml"} {
		s := serve(t, newEcho(), settings(func(c *config.Config) {
			c.HTTP.PathPrefix = prefix
			c.App.Name, c.App.Version = `<b>"Echo"</b>`, "1"
			c.Metrics.Views.Namespace = "my-team"
		}))
		page := s.do("GET", prefix+"/", "", "Accept", browser)
		if page.status != 200 || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Fatalf("%d %v", page.status, page.header)
		}
		for _, want := range []string{`&lt;b&gt;&#34;Echo&#34;&lt;/b&gt;`, `content="my_team"`, `<meta name="metrics" content="here">`} {
			if !strings.Contains(page.body, want) {
				t.Errorf("the page lacks %s:\n%s", want, page.body)
			}
		}
		loads := regexp.MustCompile(`(?:src|href)="([^"#:]+)"`).FindAllStringSubmatch(page.body, -1)
		if len(loads) < 8 || strings.Contains(page.body, "//") {
			t.Errorf("the page loads %v", loads)
		}
		for _, m := range loads {
			got := s.do("GET", prefix+"/"+m[1], "")
			if got.status != 200 {
				t.Errorf("%s: %d", m[1], got.status)
			}
			if tag := got.header.Get("ETag"); tag != "" {
				s.do("GET", prefix+"/"+m[1], "", "If-None-Match", tag).want(t, http.StatusNotModified, "")
			}
		}
		for _, accept := range []string{"", "*/*", "application/json", "text/html;q=0"} {
			if got := s.do("GET", prefix+"/", "", "Accept", accept); !strings.HasPrefix(got.body, `<b>"Echo"</b> (1)`) || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
				t.Errorf("Accept %q: %v %s", accept, got.header, got.body)
			}
		}
	}
}

// What dashboards leave out by path is under that path; switched off, nothing is
// there.
func TestHomeIsMeasuredAndSwitchedOff(t *testing.T) {
	s := serve(t, newEcho())
	s.do("GET", "/static_content/page.js", "")
	if got := s.samples("request_total", "/static_content/"); !strings.HasPrefix(got, `bentoml_service_request_total{endpoint="/static_content/page.js",http_response_code="200"} 1.0`) {
		t.Error(got)
	}
	off := serve(t, newEcho(), settings(func(c *config.Config) { c.HTTP.Page = false }))
	if got := off.do("GET", "/", "", "Accept", browser); !strings.HasPrefix(got.body, "Echo (not available)\n") {
		t.Error(got.body)
	}
	off.do("GET", "/static_content/page.js", "").want(t, 404, "Not Found")
}

// The path prefix alone leads to the page, wherever somebody has mounted us, and
// is counted as other redirects are.
func TestPrefixLeadsToThePage(t *testing.T) {
	prefixed := func(page bool) runtime.Option {
		return settings(func(c *config.Config) { c.HTTP.PathPrefix, c.HTTP.Page = "/team/a:b", page })
	}
	s := serve(t, newEcho(), prefixed(true))
	if got := s.do("GET", "/team/a:b?x=1", "", "Accept", browser); got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
		t.Errorf("got %d %v", got.status, got.header)
	}
	for _, path := range []string{"/team/a:bc", "/team", "/team/"} {
		s.do("GET", path, "").want(t, 404, "Not Found")
	}
	for _, method := range []string{"POST", "PUT", "OPTIONS", "BREW"} {
		s.do(method, "/team/a:b", "{}").want(t, 404, "Not Found")
	}
	if got := s.do("HEAD", "/team/a:b", "", "Accept", browser); got.status != 200 {
		t.Errorf("HEAD: got %d", got.status)
	}
	page := s.do("GET", "/team/a:b/metrics", "").body
	for _, want := range []string{`request_total{endpoint="unmatched",http_response_code="307"`, `request_total{endpoint="/team/a:b/",http_response_code="200"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s:\n%s", want, page)
		}
	}

	svc := newEcho()
	rt, err := runtime.New(svc, prefixed(true), runtime.WithLogger(quiet()))
	if err != nil {
		t.Fatal(err)
	}
	host := httptest.NewServer(http.StripPrefix("/mount", svc))
	defer host.Close()
	mounted := &server{t: t, url: host.URL, http: host.Client()}
	if got := mounted.do("GET", "/mount/team/a:b", "", "Accept", browser); got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
		t.Errorf("mounted: got %d %v", got.status, got.header)
	}
	if err := rt.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}

	serve(t, newEcho(), prefixed(false)).do("GET", "/team/a:b", "").want(t, 404, "Not Found")
}
