package runtime_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/runtime"
)

// What is logged of a failure, at once or after its 504, has the ids that the
// request's line in the access log has.
func TestFailuresAreLoggedWithIDs(t *testing.T) {
	ids := regexp.MustCompile(` request_id=\S+( trace_id=\S+ span_id=\S+)?\n`)
	for name, host := range map[string]func(*testing.T, *runtime.Service, ...runtime.Option) *server{"own server": serve, "foreign mux": foreign} {
		for _, traced := range []bool{false, true} {
			if traced {
				name += ", traced"
			}
			t.Run(name, func(t *testing.T) {
				svc, release := runtime.NewService("Failing"), make(chan struct{})
				runtime.Handle(svc, "fail", func(_ context.Context, in text) (string, error) {
					switch in.Text {
					case "late":
						<-release
					case "panic":
						panic("boom")
					}
					return "", errors.New("boom")
				})
				svc.Use(func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						next.ServeHTTP(w, r)
						w.Header().Set("X-After", "yes")
						if r.URL.RawQuery == "panic" {
							panic("boom")
						}
					})
				})
				var log logBuffer
				options := []runtime.Option{runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), traffic(100*time.Millisecond, 0)}
				if traced {
					options = append(options, runtime.WithTracerProvider(sdktrace.NewTracerProvider()))
				}
				s := host(t, svc, options...)
				for _, request := range []string{"error", "panic", "late", "query"} {
					before, path := len(log.String()), "/fail"
					if request == "query" {
						path += "?panic"
					}
					s.post(path, `{"text":"`+request+`"}`)
					if request == "late" {
						close(release)
					}
					var lines []string
					eventually(t, "the lines", func() bool {
						lines = nil
						for line := range strings.Lines(log.String()[before:]) {
							if strings.Contains(line, `msg="request failed"`) || strings.Contains(line, "msg=request ") {
								lines = append(lines, ids.FindString(line))
							}
						}
						return len(lines) > 1
					})
					for _, line := range lines {
						if line == "" || line != lines[0] || strings.Contains(line, "trace_id") != traced {
							t.Errorf("%s: the ids are %q:\n%s", request, lines, log.String()[before:])
							break
						}
					}
				}
			})
		}
	}
}
