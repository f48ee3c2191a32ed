package runtime

import (
	"context"
	"iter"
	"log/slog"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A stream that has ended leaves no timer behind, whichever limit it had.
func TestStreamCallStopsItsTimer(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Hour} {
		cfg := config.Default()
		cfg.Traffic.Timeout, cfg.Traffic.Stream.IdleTimeout = timeout, time.Hour
		app := New("Front", WithConfig(cfg), WithLogger(slog.New(slog.DiscardHandler)))
		api := HandleStream(app, "words", func(context.Context, struct{}) iter.Seq2[string, error] { return nil })
		_, err := app.Handler()
		check.OK(t, err)
		run := &streamCall{api: api.api, pace: api.api.stream.metrics.Pace()}
		check.OK(t, run.do(t.Context(), func(ctx context.Context) error {
			run.chunk(ctx)
			run.resume()
			return nil
		}))
		if run.timer.Stop() {
			t.Errorf("traffic.timeout %s: the timer of idle_timeout still runs", timeout)
		}
		check.OK(t, app.Shutdown(t.Context()))
	}
}
