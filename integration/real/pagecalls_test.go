package real

import (
	"context"
	"net/http"
	"testing"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
)

// TestPageCountsNoCalls has an API call another service in its own process,
// three times a request: the batches are shown, the calls are no requests.
func TestPageCountsNoCalls(t *testing.T) {
	encoder := runtime.NewService("Encoder")
	encode := runtime.HandleBatch(encoder, "encode", func(_ context.Context, texts []string) ([]int, error) {
		return make([]int, len(texts)), nil
	}, batcher.Config{})
	front := runtime.NewService(`Front "1"`)
	front.DependsOn(encoder)
	hold := make(chan struct{})
	runtime.Handle(front, "count", func(ctx context.Context, in struct {
		Held bool `json:"held" default:"false"`
	},
	) (int, error) {
		for range 3 {
			if _, err := encode.Call(ctx, []string{"a"}); err != nil {
				return 0, err
			}
		}
		if in.Held {
			<-hold
		}
		return 3, nil
	})
	base := served(t, front, nil)
	b := browse(t, base+"/")
	eventually(t, "a second reading", func() bool { return b.number(`past.time.length`) > 1 })
	for range 20 {
		if status := send(t, http.MethodPost, base+"/count", `{}`); status != http.StatusOK {
			t.Fatalf("it answers %d", status)
		}
	}
	eventually(t, "batches", func() bool { return b.text(`past['requests in a batch'].includes(1)`) == "true" })
	readings := b.number(`past.time.length`)
	eventually(t, "one more reading", func() bool { return b.number(`past.time.length`) > readings })
	const counted = `Math.round(past.all.reduce((n, rate, i) => n + (i ? rate * (past.time[i] - past.time[i - 1]) : 0), 0))`
	if n := b.number(counted); n < 18 || n > 22 {
		t.Errorf("20 requests were sent, the chart has %v", n)
	}
	done := make(chan struct{})
	go func() { defer close(done); send(t, http.MethodPost, base+"/count", `{"held":true}`) }()
	eventually(t, "what is held", func() bool { return b.text(`$('progress').textContent`) == "1" })
	close(hold)
	<-done
}
