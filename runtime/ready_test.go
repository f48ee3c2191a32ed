package runtime_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime"
)

// Probes come every few seconds; the log has a line when what they find
// changes, and none when it does not.
func TestReadinessIsLoggedWhenItChanges(t *testing.T) {
	var loading atomic.Int32 // parts of a model that are not there
	loading.Store(3)
	svc := runtime.NewService("Slow")
	runtime.Handle(svc, "echo", func(_ context.Context, in text) (string, error) { return in.Text, nil })
	svc.Ready(func(context.Context) error {
		if loading.Load() > 0 {
			return errors.New(strings.Repeat("part ", int(loading.Load())) + "is missing")
		}
		return nil
	})
	var log logBuffer
	without := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	rt, err := runtime.New(svc, settings(nil), runtime.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: without}))))
	if err != nil {
		t.Fatal(err)
	}
	probe := func(want int) {
		t.Helper()
		if got := call(rt, "GET", "/readyz", ""); (got == "\n") != (want == 200) {
			t.Errorf("got %q, want a %d", got, want)
		}
	}
	probe(503)
	loading.Store(2)
	probe(503)
	loading.Store(0)
	probe(200)
	probe(200)
	loading.Store(1)
	probe(503)
	probe(503)
	loading.Store(0)
	probe(200)
	want := `level=WARN msg="not ready" service=Slow error="part part part is missing"
level=INFO msg=ready
level=WARN msg="not ready" service=Slow error="part is missing"
level=INFO msg=ready
`
	if got := log.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if err := rt.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
