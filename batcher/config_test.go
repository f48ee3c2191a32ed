package batcher

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func TestValidate(t *testing.T) {
	for want, cfg := range map[string]Config{
		"": {},
		"max_batch_size: must be 0 (the default) or at least 1, found -1":                                                                            {MaxBatchSize: -1},
		"max_latency_ms: must be 0 (the default) or at least 1ms, found 5ns":                                                                         {MaxLatency: 5},
		"max_latency_ms: must be 0 (the default) or at least 1ms, found -1µs":                                                                        {MaxLatency: -time.Microsecond},
		"max_queue: must be 0 (the default) or more, found -3":                                                                                       {MaxQueue: -3},
		"workers: must be 0 (the default) or 1 to 4096, found -2":                                                                                    {Workers: -2},
		"workers: must be 0 (the default) or 1 to 4096, found 4097":                                                                                  {Workers: 4097},
		"window_ms: must be 0 or at least 1µs, found 5ns":                                                                                            {Window: 5},
		"window_ms: must be 0 or at least 1µs, found -1.5s":                                                                                          {Window: -1500 * time.Millisecond},
		`policy: must be adaptive, idle or window, found "cork"`:                                                                                     {Policy: "cork"},
		`failure_policy: must be isolate or fail, found "ignore"`:                                                                                    {FailurePolicy: "ignore"},
		"max_batch_size: must be 0 (the default) or at least 1, found -1\nworkers: must be 0 (the default) or 1 to 4096, found -9223372036854775808": {MaxBatchSize: -1, Workers: math.MinInt},
	} {
		got := ""
		if err := cfg.Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%+v: got %q, want %q", cfg, got, want)
		}
	}
}

func TestWithDefaults(t *testing.T) {
	want := Config{MaxBatchSize: 100, MaxLatency: time.Minute, MaxQueue: 1000, Policy: PolicyAdaptive, Workers: 1, FailurePolicy: FailurePolicyIsolate}
	check.Equal(t, (Config{}).WithDefaults(), want)
	want = Config{true, 1, 2, 3, PolicyWindow, 4, 5, true, FailurePolicyFail}
	check.Equal(t, want.WithDefaults(), want)
	check.Equal(t, Config{MaxBatchSize: 64, Workers: 3}.WithDefaults().MaxQueue, 1920)
	check.Equal(t, Config{MaxBatchSize: math.MaxInt, Workers: math.MaxInt}.WithDefaults().MaxQueue > math.MaxInt32, true)
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(echo, Config{Workers: -1}); err == nil || !strings.Contains(err.Error(), "workers") {
		t.Errorf("got %v", err)
	}
	if _, err := New[int, int](nil, Config{}); err == nil {
		t.Error("a nil function is accepted")
	}
	b := start(echo, Config{MaxBatchSize: 7})
	if err := b.Configure(Config{Workers: -1}); err == nil || b.cfg.MaxBatchSize != 7 {
		t.Errorf("got %v, configured %+v", err, b.cfg)
	}
}
