package runtime_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// The time of a mounted handler counts for the adaptive limit if it is that of a response. That
// of a stream or of a socket says nothing about the load, and leaves the limit as it is.
func TestMountAdaptive(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		for path, counts := range map[string]bool{"/plain": true, "/flush": false, "/socket": false, "/panic": true} {
			if !host.inline && (path == "/socket" || path == "/flush") && host.name != "h2c" || path == "/socket" && host.name == "h2c" {
				continue // its writer can do neither
			}
			for _, timeout := range []time.Duration{0, time.Minute} {
				app := newApp("Adaptive", settings(func(c *config.Config) {
					c.HTTP.H2C = true
					c.Traffic.Timeout, c.Traffic.MaxConcurrency, c.Traffic.Adaptive = timeout, 200, true
				}), runtime.WithLogger(quiet()))
				app.Mount("/mounted", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					control := http.NewResponseController(w)
					switch r.URL.Path {
					case "/flush":
						check.OK(t, control.Flush())
					case "/socket":
						conn, _, err := control.Hijack()
						check.Must(t, err)
						defer conn.Close()
					case "/panic":
						defer panic("boom")
					}
					time.Sleep(50 * time.Millisecond)
				}))
				s := host.start(t, app)
				var all sync.WaitGroup
				for range 500 {
					all.Go(func() { _, _ = s.try("GET", "/mounted"+path, "") })
					time.Sleep(10 * time.Millisecond) // 5 at once
				}
				all.Wait()
				limit := s.samples("ekiben_traffic_max_concurrency")
				if unchanged := strings.HasSuffix(limit, "} 20.0\n"); unchanged == counts {
					t.Errorf("%s within %s: %s", path, timeout, limit)
				}
			}
		}
	})
}
