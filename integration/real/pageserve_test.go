package real

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// served serves a service in this process, and returns its address.
func served(t *testing.T, svc *runtime.Service, change func(*config.Config), opts ...runtime.Option) string {
	t.Helper()
	cfg := config.Default()
	cfg.Logging.AccessLog.Enabled = false
	if change != nil {
		change(&cfg)
	}
	rt, err := runtime.New(svc, append(opts, runtime.WithConfig(cfg), runtime.WithLogger(slog.New(slog.DiscardHandler)))...)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(rt)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		_ = rt.Shutdown(context.WithoutCancel(t.Context()))
	})
	return server.URL + cfg.HTTP.PathPrefix
}

// crowd is n clients, each of which sends the bodies one after the other, over
// and over, with a pause. answered counts.
func crowd(t *testing.T, n int, pause time.Duration, url string, bodies ...string) (answered *atomic.Int64, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	answered = &atomic.Int64{}
	var clients sync.WaitGroup
	for range n {
		clients.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				// Not ctx, which would hang up on a request.
				if _, err := post(context.WithoutCancel(ctx), url, bodies[i%len(bodies)]); err == nil {
					answered.Add(1)
				}
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		})
	}
	return answered, sync.OnceFunc(func() { cancel(); clients.Wait() })
}
