package real

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// TestPageTriesAnyRoute has routes that look like something else in a relative
// address, below a prefix and behind a proxy that mounts the server elsewhere.
func TestPageTriesAnyRoute(t *testing.T) {
	routes := []string{"/v1:predict", "/v1/models/a:predict", "/käse"}
	service := func() *runtime.Service {
		svc := runtime.NewService("Routes")
		for i, route := range routes {
			runtime.Handle(svc, "api"+strconv.Itoa(i), func(context.Context, struct{}) (string, error) { return "at " + route, nil }, runtime.Route(route))
		}
		return svc
	}
	plain := served(t, service(), nil)
	mounted := httptest.NewServer(http.StripPrefix("/team/x", proxyTo(t, plain)))
	t.Cleanup(mounted.Close)
	for name, base := range map[string]string{
		"at the root":    plain,
		"below a prefix": served(t, service(), func(c *config.Config) { c.HTTP.PathPrefix = "/ml" }),
		"mounted":        mounted.URL + "/team/x",
	} {
		t.Run(name, func(t *testing.T) {
			b := browse(t, base+"/")
			eventually(t, "the APIs", func() bool { return b.text(`$('api0') !== null`) == "true" })
			for i, route := range routes {
				if status, answer := b.press(i); !strings.HasPrefix(status, "200 ") || answer != "at "+route {
					t.Errorf("%s: %s %s", route, status, answer)
				}
			}
		})
	}
}

func proxyTo(t *testing.T, base string) http.Handler {
	t.Helper()
	target, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
}
