package runtime_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/runtime"
)

// Functions that end just when their deadline does: each client gets exactly
// one whole answer, 200 or 504, and the page says the same numbers.
func TestAnswersAtTheDeadline(t *testing.T) {
	const clients, each, timeout = 16, 150, 3 * time.Millisecond
	for name, host := range map[string]func(*testing.T, *runtime.Service, ...runtime.Option) *server{"own": serve, "foreign": foreign} {
		t.Run(name, func(t *testing.T) {
			svc := runtime.NewService("Edge")
			runtime.Handle(svc, "work", func(_ context.Context, in text) (string, error) {
				time.Sleep(timeout - time.Millisecond + rand.N(2*time.Millisecond))
				return in.Text, nil
			})
			s := host(t, svc, traffic(timeout, 0))
			var statuses [600]atomic.Int64
			var wait sync.WaitGroup
			for client := range clients {
				wait.Go(func() {
					for i := range each {
						sent := fmt.Sprint(client, "-", i)
						got, err := s.try("POST", "/work", fmt.Sprintf(`{"text":%q}`, sent))
						if err != nil {
							t.Errorf("no answer: %v", err)
							continue
						}
						if got.status == 200 && got.body != sent || got.status == 504 && got.body != `{"error":"Not able to process the request in 0.003 seconds"}` {
							t.Errorf("sent %s, got %d %q", sent, got.status, got.body)
						}
						statuses[got.status].Add(1)
					}
				})
			}
			wait.Wait()
			if got := statuses[200].Load() + statuses[504].Load(); got != clients*each {
				t.Errorf("%d answers of %d are 200 or 504", got, clients*each)
			}
			eventually(t, "late functions", func() bool { return s.samples("overdue") == "ekiben_http_overdue 0.0\n" })
			for _, status := range []int{200, 504} {
				n := statuses[status].Load()
				want := fmt.Sprintf("bentoml_service_request_total{endpoint=\"/work\",http_response_code=\"%d\"} %d.0\n", status, n)
				if got := s.samples("request_total", fmt.Sprintf(`"%d"`, status)); n > 0 && got != want {
					t.Errorf("got %swant %s", got, want)
				}
			}
			t.Logf("%d in time, %d late", statuses[200].Load(), statuses[504].Load())
		})
	}
}

// Readers that are pushed from collect by their own clock, while New still makes
// what they read.
func TestCollectingWhileItIsMade(t *testing.T) {
	for range 20 {
		reader := sdkmetric.NewManualReader()
		made := make(chan struct{})
		var wait sync.WaitGroup
		wait.Go(func() {
			for {
				var data metricdata.ResourceMetrics
				_ = reader.Collect(context.Background(), &data)
				select {
				case <-made:
					return
				default:
				}
			}
		})
		rt, err := runtime.New(newEcho(), runtime.WithLogger(quiet()), runtime.WithReader(reader))
		close(made)
		wait.Wait()
		if err != nil {
			t.Fatal(err)
		}
		if err := rt.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
