package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
)

// A batch function logs with the app's logger.
func TestLoggerOfABatch(t *testing.T) {
	log, logger := textLog(slog.LevelInfo)
	app := newApp("Batch", logger)
	runtime.HandleBatch(app, "f", func(ctx context.Context, items []string) ([]string, error) {
		runtime.Logger(ctx).Info("from the batch")
		return items, nil
	})
	call(handler(t, app), "POST", "/f", `{"items":["a"]}`)
	check.Contains(t, log.String(), "from the batch")
}

// Logger has the ids of the request and its trace, and the app's level and
// format.
func TestLogger(t *testing.T) {
	var log bytes.Buffer
	app := newApp("Logging", runtime.WithLogger(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})).With("app", "mine")))
	runtime.Handle(app, "log", func(ctx context.Context, _ struct{}) (string, error) {
		logger := runtime.Logger(ctx)
		logger.Info("not shown")
		logger.WithGroup("g").Warn("shown", "n", 1)
		return "", nil
	})
	id := direct(t, app).post("/log", "{}").header.Get("X-BentoML-Request-ID")
	if want := `,"level":"WARN","msg":"shown","app":"mine","request_id":"` + id + `","g":{"n":1}}` + "\n"; !strings.HasSuffix(log.String(), want) {
		t.Errorf("logged %s\nwant %s", log.String(), want)
	}
}

// The timeout is a warning.
func TestTimeoutIsAWarning(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		log, logger := textLog(slog.LevelWarn)
		app := newApp("Slow", traffic(time.Second, 0), logger)
		runtime.Handle(app, "wait", func(ctx context.Context, _ text) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		host.start(t, app).post("/wait", "{}")
		synctest.Wait()
		want := `level=WARN msg="request failed" service=Slow api=wait error="504 Gateway Timeout: Not able to process the request in 1 seconds" request_id=`
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) {
			t.Errorf("logged %s", got)
		}
	})
}

// brokenLog is a handler that panics as soon as it can.
type brokenLog struct{ slog.Handler }

func (brokenLog) Enabled(context.Context, slog.Level) bool  { return true }
func (brokenLog) WithGroup(string) slog.Handler             { panic("no group") }
func (brokenLog) Handle(context.Context, slog.Record) error { panic("no disk") }

// A handler that panics loses its lines and nothing else, also on the goroutine of a timeout.
func TestBrokenLogHandler(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Slow", traffic(time.Second, 0), runtime.WithLogger(slog.New(brokenLog{slog.DiscardHandler})))
		runtime.Handle(app, "wait", func(ctx context.Context, in text) (string, error) {
			runtime.Logger(ctx).With("a", 1).WithGroup("g").Error("heard by nobody")
			if in.Text == "fast" {
				return "done", nil
			}
			time.Sleep(2 * time.Second)
			return "", errors.New("late")
		})
		conn := host.start(t, app)
		check.Equal(t, conn.post("/wait", `{}`).status, 504)
		check.Equal(t, conn.post("/wait", `{"text":"fast"}`).body, "done")
		time.Sleep(2 * time.Second)
	})
}
