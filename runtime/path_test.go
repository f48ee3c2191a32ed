package runtime_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/ekiben-serving/ekiben/runtime"
)

// Whatever the path, there is an answer, the page can be parsed, and no label
// has come from the path.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/echo", "/echo/", "//echo", "/\xff", "/a\nb", `/"} 1`, "", "*", "/..", "/%00", "/metrics/", "/livez/x", "/v1/lengths/"} {
		f.Add(seed)
	}
	rt, err := runtime.New(newEcho(), runtime.WithLogger(quiet()))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = rt.Shutdown(context.Background()) })
	known := regexp.MustCompile(`^(/|/echo|/v1/lengths|/livez|/readyz|/healthz|/schema\.json|/docs\.json|/static_content/(page\.(js|css)|uPlot\.(js|css|LICENSE\.txt))|unmatched)$`)
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: path}
		answer := httptest.NewRecorder()
		rt.ServeHTTP(answer, r)
		if answer.Code < 200 || answer.Code > 499 {
			t.Errorf("%q: %d", path, answer.Code)
		}
		if to := answer.Header().Get("Location"); to != "" && !strings.HasPrefix(to, "../") {
			t.Errorf("%q: redirected to %q", path, to)
		}
		page := httptest.NewRecorder()
		rt.ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(page.Body)
		if err != nil {
			t.Fatalf("%q: the page cannot be parsed: %v", path, err)
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

// http2 hosts the service behind HTTP/2, where a 504 is whole only when the
// handler returns.
func http2(t *testing.T, svc *runtime.Service, opts ...runtime.Option) *server {
	t.Helper()
	rt, err := runtime.New(svc, append([]runtime.Option{settings(nil), runtime.WithLogger(quiet())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	host := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("the request is %s", r.Proto)
		}
		svc.ServeHTTP(w, r)
	}))
	host.EnableHTTP2 = true
	host.StartTLS()
	t.Cleanup(func() {
		host.Close()
		if err := rt.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &server{t: t, url: host.URL, http: host.Client()}
}
