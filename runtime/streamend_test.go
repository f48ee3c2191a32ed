package runtime_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A stream whose function returns at the moment of its limit gives back the memory of its body.
func TestStreamReturnsAtItsLimit(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Words", settings(func(c *config.Config) {
			c.HTTP.H2C, c.HTTP.MaxBodies, c.Traffic.Stream.MaxDuration = true, 200<<10, time.Second
		}))
		runtime.HandleStream(app, "words", func(ctx context.Context, _ text) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				yield("a", nil)
				<-ctx.Done()
			}
		})
		s := host.start(t, app)
		for range 50 {
			got, err := s.try("POST", "/words", `{"text":"`+strings.Repeat("x", 5000)+`"}`)
			if err == nil && got.status != 200 {
				t.Fatal(got)
			}
			time.Sleep(time.Second)
		}
		if got := s.samples("ekiben_http_overdue"); got != "ekiben_http_overdue{} 0.0\n" {
			t.Errorf("got %s", got)
		}
	})
}
