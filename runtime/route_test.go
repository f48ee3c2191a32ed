package runtime_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime"
)

// A route that no client could reach, or that is the runtime's own, is refused.
func TestRoutes(t *testing.T) {
	const unclean = `route must begin with a slash, without "//", "/./", "/../", a trailing slash, a space, a control character, "%%", "?" or "#", found %q`
	const ours = `route %s is the runtime's own; choose another with runtime.Route`
	for route, problem := range map[string]string{
		"/v1/score": "", "/v1.0/score": "", "/..a": "", "/ü": "", "/a:b@c": "", "/static_contents": "", "/static_content": "",
		"": unclean, "a": unclean, "//a": unclean, "/a//b": unclean, "/a/": unclean, "/.": unclean, "/..": unclean, "/a/./b": unclean, "/a/../b": unclean,
		"/a b": unclean, "/a\u00a0b": unclean, "/a\tb": unclean, "/a\x00": unclean, "/a\u0085": unclean, "/\xff": unclean, "/%41": unclean, "/a?b": unclean, "/a#b": unclean,
		"/": ours, "/metrics": ours, "/static_content/page.js": ours, "/static_content/mine": ours,
	} {
		svc := runtime.NewService("Routed")
		runtime.Handle(svc, "one", func(context.Context, text) (string, error) { return "", nil }, runtime.Route(route))
		rt, err := runtime.New(svc, runtime.WithLogger(quiet()))
		got, want := "", ""
		if err != nil {
			got = err.Error()
		} else {
			_ = rt.Shutdown(context.Background())
		}
		if problem != "" {
			want = `service "Routed": API "one": ` + fmt.Sprintf(problem, route)
		}
		if got != want {
			t.Errorf("%q:\n got %s\nwant %s", route, got, want)
		}
	}
}
