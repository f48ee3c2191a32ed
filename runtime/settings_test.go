package runtime

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Each part of the access line can be left out, and paths have none.
func TestAccessParts(t *testing.T) {
	for format, want := range map[string]string{
		"bentoml": `^\S+ \[INFO\] \[entry_service:Logged:1\] 192\.0\.2\.1:1234 \(scheme=http,method=POST,path=/ml/hi\) \(status=200\) \d+\.\d{3}ms\n$`,
		"text":    `^time=\S+ level=INFO msg=request method=POST path=/ml/hi status=200 duration_ms=[\d.]+ client=192\.0\.2\.1:1234 request_id=[0-9a-f]{16}\n$`,
	} {
		var out bytes.Buffer
		svc := NewService("Logged")
		for _, name := range []string{"hi", "hidden"} {
			Handle(svc, name, func(context.Context, struct{}) (string, error) { return "hello", nil })
		}
		cfg := config.Default()
		cfg.HTTP.PathPrefix = "/ml"
		cfg.Logging = config.Logging{Format: format, AccessLog: config.AccessLog{
			Enabled: true, SkipPaths: []string{"/hid", "/ml/schema"}, Format: cfg.Logging.AccessLog.Format,
		}}
		rt, err := New(svc, WithConfig(cfg), WithLogger(slog.New(newLogHandler(&out, cfg.Logging, slog.LevelInfo, "Logged"))))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/ml/hidden", "/ml/schema.json", "/ml/hi"} {
			rt.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", path, strings.NewReader("{}")))
		}
		if got := out.String(); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if err := rt.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// The level of the runtime's own log follows the configuration, and batchable
// APIs have the sizes that it gives them.
func TestWhatAConfigurationReaches(t *testing.T) {
	svc := NewService("Sized")
	api := HandleBatch(svc, "encode", func(context.Context, []string) ([]int, error) { return nil, nil }, batcher.Config{MaxBatchSize: 4})
	file := filepath.Join(t.TempDir(), "config.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("logging: {level: warn}\nbatching: {max_batch_size: 16, max_queue: 9, policy: idle, failure_policy: isolate}\nservices: {Sized: {batching: {max_latency_ms: 250, max_queue: 7, policy: window, window_ms: 3, failure_policy: fail}}}")
	rt, err := New(svc, WithSource(config.Source{File: file}))
	if err != nil {
		t.Fatal(err)
	}
	if rt.logger.Enabled(context.Background(), slog.LevelInfo) {
		t.Error("info is logged at warn")
	}
	cfg := rt.Config()
	want := batcher.Config{
		MaxBatchSize: 16, MaxLatency: 250 * time.Millisecond, MaxQueue: 7, Policy: batcher.PolicyWindow, Window: 3 * time.Millisecond, FailurePolicy: batcher.FailurePolicyFail,
	}.WithDefaults()
	if got := api.api.configured(cfg.BatchingOf("Sized"), cfg.WorkersOf("Sized")); got != want {
		t.Errorf("got %+v", got)
	}
	write("logging: {level: error}")
	if err := rt.Reload(); err != nil {
		t.Fatal(err)
	}
	if rt.logger.Enabled(context.Background(), slog.LevelWarn) {
		t.Error("warnings are logged at error")
	}
	if err := rt.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}
