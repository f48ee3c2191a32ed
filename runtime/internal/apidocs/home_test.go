package apidocs_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/internal/apidocs"
	"github.com/ekiben-serving/ekiben/runtime/internal/ui"
)

func get(h http.Handler, headers ...string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	h.ServeHTTP(w, r)
	return w
}

// A browser gets the home page, every other client the list.
func TestHome(t *testing.T) {
	home := check.Value(apidocs.Home(ui.Page{Name: `<b>"Echo"</b>`, Version: "1", Namespace: "my_team", Metrics: ui.Here}, "the list"))(t)
	for accept, browser := range map[string]bool{
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true, "application/json, Text/HTML;q=0.1": true,
		"": false, "*/*": false, "text/*": false, "application/json": false, "text/html;q=0": false, "text/htmlx": false, "text/html;;": false,
	} {
		got := get(home, "Accept", accept)
		list := got.Body.String() == "the list" && got.Header().Get("Content-Type") == "text/plain; charset=utf-8"
		page := got.Header().Get("Content-Type") == "text/html; charset=utf-8" && strings.Contains(got.Header().Get("Content-Security-Policy"), "default-src 'none'")
		if page != browser || list == browser || got.Header().Get("Vary") != "Accept" {
			t.Errorf("Accept %q: %v", accept, got.Header())
		}
	}
	if got := get(home, "Accept", "text/plain", "Accept", "text/html").Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("two Accept headers: %s", got)
	}
	body := get(home, "Accept", "text/html").Body.String()
	for _, want := range []string{`&lt;b&gt;&#34;Echo&#34;&lt;/b&gt;`, `content="my_team"`, `<meta name="metrics" content="here">`} {
		if !strings.Contains(body, want) {
			t.Errorf("the home page lacks %s:\n%s", want, body)
		}
	}
}

// The files that the home page loads come from this server and can be revalidated.
func TestAssets(t *testing.T) {
	home := check.Value(apidocs.Home(ui.Page{Name: "Echo"}, ""))(t)
	assets := check.Value(apidocs.Assets())(t)
	body, loaded := get(home, "Accept", "text/html").Body.String(), 0
	if strings.Contains(body, "//") {
		t.Errorf("the home page names another server:\n%s", body)
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"#:]+)"`).FindAllStringSubmatch(body, -1) {
		asset, ok := assets["/"+m[1]]
		if !ok {
			continue // a route of the app
		}
		loaded++
		got := get(asset)
		if again := get(asset, "If-None-Match", got.Header().Get("ETag")); got.Code != 200 || got.Body.Len() == 0 || again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s: %d, then %d", m[1], got.Code, again.Code)
		}
	}
	if loaded < 3 {
		t.Errorf("the home page loads %d files", loaded)
	}
}
