package runtime_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// The file changes a thousand times, with errors half of the time, while clients send
// requests. No request fails, and the last file is in force.
func TestThousandSwaps(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	put(t, file, "traffic: {timeout: 30}\n")
	log, logger := newAwaited(t)
	app := newEcho(logger, runtime.WithSource(config.Source{File: file}), settings(func(c *config.Config) { c.Logging.AccessLog.Enabled = false }))
	s := serve(t, app)
	s.post("/echo", `{"text":"x"}`).want(t, 200, "X") // it has read the first file
	var stop atomic.Bool
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for !stop.Load() {
				s.post("/echo", `{"text":"x"}`).want(t, 200, "X")
			}
		})
	}
	contents := []string{
		"traffic: {timeout: %d}\n", "traffic: {timeout: %d, max_concurrency: 100}\nservices: {Echo: {traffic: {timeout: 40}}}\n",
		"traffic: {timeout: x%d\n", "traffic: {timout: %d}\n", "http: {max_body_size: %dMiB}\nlogging: {level: warn}\n", "\x00%d",
	}
	for i := range 1000 {
		put(t, file, fmt.Sprintf(contents[i%len(contents)], 30+i))
		if i%50 == 0 {
			_ = app.Reload() // as SIGHUP does, at the same time
		}
	}
	put(t, file, "traffic: {timeout: 77}\nhttp: {port: 99}\n")
	log.await("keys=http.port") // which is logged after the change
	stop.Store(true)
	clients.Wait()
	if got := app.Config().Traffic.Timeout; got != 77*time.Second {
		t.Errorf("the last file is not in force: the timeout is %s", got)
	}
	if got := s.reloads(); strings.Contains(got, "} 0.0\n") {
		t.Errorf("got\n%s", got)
	}
}
