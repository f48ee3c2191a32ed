package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// measured holds the results of one fault in one round.
type measured struct {
	p50, p99         float64 // milliseconds
	failed           float64 // pushes
	heap, goroutines float64 // in megabytes; how many more than before the requests
}

type echo struct {
	Text string `json:"text"`
}

// measure serves requests while metrics are pushed.
func measure(ctx context.Context, fault fault, f flags) (measured, error) {
	endpoint, end, err := fault.start()
	if err != nil {
		return measured{}, err
	}
	defer end()
	cfg := config.Default()
	cfg.Logging.AccessLog.Enabled = false
	cfg.Shutdown.Idle = 0
	if endpoint != "" {
		cfg.OTLP.Enabled, cfg.OTLP.Endpoint = true, config.NewURL(endpoint)
		cfg.OTLP.Interval, cfg.OTLP.Timeout = f.Push, time.Second
	}
	reader := sdkmetric.NewManualReader()
	app := runtime.New("Echo", runtime.WithConfig(cfg), runtime.WithLogger(slog.New(slog.DiscardHandler)), runtime.WithReaders(reader))
	runtime.Handle(app, "echo", func(_ context.Context, in echo) (echo, error) { return in, nil })
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return measured{}, err
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- app.Serve(serving, listener) }()
	before := goruntime.NumGoroutine()
	m := call(ctx, "http://"+listener.Addr().String()+"/echo", f)
	goruntime.GC()
	var memory goruntime.MemStats
	goruntime.ReadMemStats(&memory)
	m.heap, m.goroutines = float64(memory.HeapInuse)/1e6, max(float64(goruntime.NumGoroutine()-before), 0)
	m.failed = failures(ctx, reader)
	stop()
	return m, <-served
}

// call sends requests from all clients for f.Each, and returns their latencies.
func call(ctx context.Context, url string, f flags) measured {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: f.Clients}}
	defer client.CloseIdleConnections()
	ctx, stop := context.WithTimeout(ctx, f.Each)
	defer stop()
	waits := make([][]float64, f.Clients)
	var calling sync.WaitGroup
	for i := range f.Clients {
		calling.Go(func() {
			for ctx.Err() == nil {
				begun := time.Now()
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"text":"hello"}`))
				if err != nil {
					return
				}
				req.Header.Set("Content-Type", "application/json")
				res, err := client.Do(req)
				if err != nil {
					return // f.Each is over
				}
				_ = res.Body.Close()
				waits[i] = append(waits[i], float64(time.Since(begun).Microseconds())/1000)
			}
		})
	}
	calling.Wait()
	all := slices.Sorted(slices.Values(slices.Concat(waits...)))
	if len(all) == 0 {
		return measured{}
	}
	return measured{p50: all[len(all)/2], p99: all[len(all)*99/100]}
}

// failures returns how many pushes failed, by the metrics of the runtime.
func failures(ctx context.Context, reader *sdkmetric.ManualReader) (sum float64) {
	var rm metricdata.ResourceMetrics
	if reader.Collect(ctx, &rm) != nil {
		return 0
	}
	for _, scope := range rm.ScopeMetrics {
		for _, metric := range scope.Metrics {
			if counts, ok := metric.Data.(metricdata.Sum[int64]); ok && metric.Name == "ekiben.otlp.failures" {
				for _, point := range counts.DataPoints {
					sum += float64(point.Value)
				}
			}
		}
	}
	return sum
}
