package runtime

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/metric"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Scrapes at both doors share one collection.
func TestDoorsShareCollection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config.Default()
		cfg.Admin.Enabled = true
		app := New("Shared", WithConfig(cfg))
		Handle(app, "echo", func(_ context.Context, in string) (string, error) { return in, nil })
		var collections atomic.Int64
		release := make(chan struct{})
		_, err := app.Meter().Int64ObservableGauge("slow", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
			collections.Add(1)
			<-release
			return nil
		}))
		check.Must(t, err)
		public := check.Value(app.Handler())(t)
		var scrapes sync.WaitGroup
		for _, door := range []http.Handler{public, app.admin.handler} {
			scrapes.Go(func() {
				w := httptest.NewRecorder()
				door.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
				check.Equal(t, w.Code, http.StatusOK)
			})
		}
		synctest.Wait() // both wait for the callback
		close(release)
		scrapes.Wait()
		check.Equal(t, collections.Load(), 1)
		check.OK(t, app.Shutdown(t.Context()))
	})
}
