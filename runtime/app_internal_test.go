package runtime

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// The level of the app's own log, and the sizes of batches, follow the
// configuration; a reload changes the level.
func TestConfigurationIsApplied(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	write := func(lines ...string) error { return os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600) }
	check.Must(t, write("logging: {level: warn}", "batching: {max_batch_size: 16, max_queue: 9, policy: idle, failure_policy: isolate}",
		"services: {Sized: {workers: 3, batching: {max_latency_ms: 250, max_queue: 7, policy: window, window_ms: 3, failure_policy: fail}}}"))
	app := New("Sized", WithSource(config.Source{File: file}))
	api := HandleBatch(app, "encode", func(_ context.Context, in []string) ([]string, error) { return in, nil }, Batching(batcher.Config{MaxBatchSize: 4}))
	if _, err := app.Handler(); err != nil {
		t.Fatal(err)
	}
	if logs := app.log.logger.Handler(); logs.Enabled(t.Context(), slog.LevelInfo) || !logs.Enabled(t.Context(), slog.LevelWarn) {
		t.Error("the level is not warn")
	}
	want := batcher.Config{
		MaxBatchSize: 16, MaxLatency: 250 * time.Millisecond, MaxQueue: 7, Policy: batcher.PolicyWindow, Window: 3 * time.Millisecond,
		FailurePolicy: batcher.FailurePolicyFail, Workers: 3,
	}.WithDefaults()
	cfg := app.Config()
	check.Equal(t, api.api.batch.configured(cfg.BatchingOf("Sized"), cfg.WorkersOf("Sized")), want)
	app.log.logger = slog.New(slog.DiscardHandler)
	check.OK(t, errors.Join(write("logging: {level: error}"), app.Reload()))
	if app.conf.Level.Level() != slog.LevelError {
		t.Errorf("after a reload the level is %s", app.conf.Level.Level())
	}
	check.OK(t, app.Shutdown(t.Context()))
}

// The default of max_queue follows the size of batches and the workers in force, and 0 is no limit.
func TestDefaultMaxQueue(t *testing.T) {
	app := New("Sized")
	api := HandleBatch(app, "encode", func(_ context.Context, in []string) ([]string, error) { return in, nil }, Batching(batcher.Config{MaxBatchSize: 4}))
	for _, test := range []struct {
		over          config.Batching
		workers, want int
	}{
		{config.Batching{}, 0, 1000},
		{config.Batching{MaxBatchSize: new(500)}, 4, 20_000},
		{config.Batching{MaxBatchSize: new(500), MaxQueue: new(7)}, 4, 7},
		{config.Batching{MaxQueue: new(0)}, 0, math.MaxInt},
	} {
		check.Equal(t, api.api.batch.configured(test.over, test.workers).MaxQueue, test.want)
	}
}

// Without tracing, requests have no tracing stage.
func TestNoTracingNoStage(t *testing.T) {
	for _, on := range []bool{false, true} {
		cfg := config.Default()
		cfg.Tracing.Enabled = on
		app := New("Front", WithConfig(cfg), WithLogger(slog.New(slog.DiscardHandler)))
		Handle(app, "shout", func(context.Context, struct{}) (string, error) { return "", nil })
		if _, err := app.Handler(); err != nil {
			t.Fatal(err)
		}
		if (app.chain.spans != nil) != on || (app.tracing != nil) != on {
			t.Errorf("tracing %t: %v, %v", on, app.chain.spans, app.tracing)
		}
		check.OK(t, app.Shutdown(t.Context()))
	}
}

// metrics.conventions must name at least one known convention.
func TestConventions(t *testing.T) {
	for _, bad := range [][]string{nil, {"otel"}, {"bentoml", "otel"}} {
		cfg := config.Default()
		cfg.Metrics.Conventions = bad
		app := New("Front", WithConfig(cfg))
		Handle(app, "shout", func(context.Context, struct{}) (string, error) { return "", nil })
		if err := app.Check(); err == nil || !strings.HasPrefix(err.Error(), "metrics.conventions: must ") {
			t.Errorf("%v: got %v", bad, err)
		}
	}
}

// Notices are logged at start, with the key and the place that they have. Those about
// the app's own provider of spans are not logged with another one.
func TestNoticesAreLogged(t *testing.T) {
	t.Chdir(t.TempDir())
	check.Must(t, os.WriteFile("config.yaml", []byte("other: {}\n"), 0o600))
	cfg := config.Default()
	cfg.Tracing.Enabled = true
	cfg.SSL.CertFile = "nowhere"
	for _, test := range []struct {
		opts []Option
		want []string // what lines begin with, after the message
	}{
		{[]Option{WithSource(config.FromEnvironment())}, []string{`where=config.yaml notice="is not read, `}},
		{[]Option{WithConfig(cfg)}, []string{`key=ssl.certfile notice="`, `key=tracing.sample_rate notice="`, `key=tracing.enabled notice="`}},
		{[]Option{WithConfig(cfg), WithTracerProvider(noop.NewTracerProvider())}, []string{`key=ssl.certfile notice="`}},
	} {
		var log strings.Builder
		app := New("Front", append(test.opts, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))...)
		Handle(app, "shout", func(context.Context, struct{}) (string, error) { return "", nil })
		check.OK(t, app.Check())
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if !slices.EqualFunc(lines, test.want, func(line, want string) bool { return strings.Contains(line, "msg=configuration "+want) }) {
			t.Errorf("got\n%swant %q", log.String(), test.want)
		}
	}
}

// The pool does not keep large buffers.
func TestLargeBuffersAreNotKept(t *testing.T) {
	pool := &scratches{}
	large := pool.get()
	large.pool = pool
	large.out.Grow(maxKept + 1)
	large.put()
	if pool.get() == large {
		t.Error("it keeps a large buffer")
	}
}
