package runtime_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
)

// A mux that a program adds patterns to without end, or a MountPattern that invents
// names, makes no series without end.
func TestMountLabelsAreBounded(t *testing.T) {
	app := newApp("Bounded")
	app.Mount("/x", http.HandlerFunc(tell), runtime.MountPattern(func(r *http.Request) string { return r.URL.Path }))
	h := handler(t, app)
	for i := range 300 {
		call(h, "GET", fmt.Sprintf("/x/%d", i), "")
	}
	if got := strings.Count(samplesOf(h, "request_total", `endpoint="/x/`), "\n"); got != 200 {
		t.Errorf("%d labels", got)
	}
	check.Contains(t, samplesOf(h, "request_total", "unmatched"), " 100.0")
}

type panickingMux struct{ http.HandlerFunc }

func (panickingMux) Handler(*http.Request) (http.Handler, string) { panic("no route") }

// A panic of the code that names a route is logged, and the handler is called.
func TestMountLabelPanics(t *testing.T) {
	log, logger := textLog(slog.LevelError)
	app := newApp("Panics", logger)
	app.Mount("/mux", panickingMux{tell})
	app.Mount("/named", http.HandlerFunc(tell), runtime.MountPattern(func(*http.Request) string { panic("no name") }))
	h := handler(t, app)
	check.Equal(t, call(h, "GET", "/mux/x", "")+call(h, "GET", "/named/x", ""), "GET /x unmatchedGET /x unmatched")
	check.Contains(t, log.String(), "mount=/mux error=\"panic: no route\"", "mount=/named error=\"panic: no name\"")
	check.Contains(t, samplesOf(h, "request_total", "unmatched"), " 2.0")
}

// Two routes with one label share their series.
func TestMountLabelOfAnAPI(t *testing.T) {
	app := newEcho()
	app.Mount("/v1", http.HandlerFunc(tell), runtime.MountPattern(func(*http.Request) string { return "/lengths" }))
	h := handler(t, app)
	postTo(h, "/v1/lengths", "{\"texts\":[]}")
	call(h, "GET", "/v1/other", "")
	check.Contains(t, samplesOf(h, "request_total", `"/v1/lengths"`, `"200"`), " 2.0\n")
}
