package runtime_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A handler may change its request while its 504 is logged: the log has what arrived.
func TestMountChangesItsRequest(t *testing.T) {
	for _, middleware := range []bool{false, true} {
		log, logger := newAwaited(t)
		app := newApp("Changes", logger, settings(func(c *config.Config) {
			c.Traffic.Timeout, c.Logging.AccessLog.Enabled, c.Logging.AccessLog.RequestContentType = 20*time.Millisecond, true, true
		}))
		logged := make(chan struct{})
		change := func(_ http.ResponseWriter, r *http.Request) {
			for n := 0; ; n++ {
				select {
				case <-logged:
					return
				default:
				}
				r.Header.Set("Content-Type", fmt.Sprint("text/", n))
				r.Header.Set(fmt.Sprint("X-", n%100), "x")
				r.URL.Path = fmt.Sprint("/", n)
			}
		}
		app.Mount("/app", http.HandlerFunc(change))
		if middleware {
			app.Use(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					next.ServeHTTP(w, r)
					r.URL.Path = "/changed"
				})
			})
		}
		s := serve(t, app)
		s.do("POST", "/app/x", "{}", "Content-Type", "application/json").want(t, 504, `{"error":"Not able to process the request in 0.02 seconds"}`)
		log.await("status=504")
		close(logged)
		check.Contains(t, log.String(), "path=/app/x", "request_type=application/json")
		check.OK(t, s.end())
	}
}
