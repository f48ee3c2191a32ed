package runtime_test

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

type benchEcho struct {
	Text string `json:"text"`
}

// writer is a ResponseWriter that costs nothing.
type writer struct{ header http.Header }

func (w *writer) Header() http.Header         { return w.header }
func (w *writer) Write(p []byte) (int, error) { return len(p), nil }
func (w *writer) WriteHeader(int)             {}

func bare(w http.ResponseWriter, r *http.Request) {
	var in benchEcho
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(in)
}

func benchApp(b testing.TB, change func(*config.Config)) *runtime.App {
	b.Helper()
	cfg := config.Default()
	cfg.Logging.AccessLog.Enabled = false
	if change != nil {
		change(&cfg)
	}
	app := runtime.New("Echo", runtime.WithConfig(cfg), runtime.WithLogger(quiet()))
	runtime.Handle(app, "echo", func(_ context.Context, in benchEcho) (benchEcho, error) { return in, nil })
	b.Cleanup(func() { _ = app.Shutdown(context.Background()) })
	return app
}

// wrap is middleware that wraps the writer, as most middleware that logs does.
func wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(&wrapped{ResponseWriter: w}, r) })
}

type wrapped struct {
	http.ResponseWriter
	status int
}

func (w *wrapped) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// BenchmarkHandler measures a request without the network, and compares it with the
// same in plain net/http and encoding/json.
func BenchmarkHandler(b *testing.B) {
	middleware := benchApp(b, nil)
	middleware.Use(wrap)
	for _, side := range []struct {
		name    string
		handler http.Handler
	}{
		{"bare", http.HandlerFunc(bare)},
		{"bare_middleware", wrap(http.HandlerFunc(bare))},
		{"ekiben", runtime.OwnHandler(benchApp(b, nil))},
		{"middleware", runtime.OwnHandler(middleware)},
		{"metrics_off", runtime.OwnHandler(benchApp(b, func(c *config.Config) { c.Metrics.Enabled = false }))},
	} {
		b.Run(side.name, func(b *testing.B) { benchEchoes(b, side.handler) })
	}
}

// BenchmarkTracing measures the cost of tracing for a request: with tracing off, and
// with a span that is sampled or not.
func BenchmarkTracing(b *testing.B) {
	rate := func(rate float64) func(*config.Config) {
		return func(c *config.Config) { c.Tracing.Enabled, c.Tracing.SampleRate = true, rate }
	}
	for _, side := range []struct {
		name    string
		handler http.Handler
	}{
		{"off", runtime.OwnHandler(benchApp(b, nil))},
		{"on_none_kept", runtime.OwnHandler(benchApp(b, rate(0)))},
		{"on_all_kept", runtime.OwnHandler(benchApp(b, rate(1)))},
	} {
		b.Run(side.name, func(b *testing.B) { benchEchoes(b, side.handler) })
	}
}

func benchEchoes(b *testing.B, handler http.Handler) {
	b.Helper()
	w := &writer{header: http.Header{}}
	r, _ := http.NewRequest("POST", "/echo", nil)
	r.ContentLength = 16
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		r.Body = io.NopCloser(strings.NewReader(`{"text":"hello"}`))
		handler.ServeHTTP(w, r)
	}
}

// BenchmarkMetrics measures the cost of the default metrics for a request, and
// compares it with one recording in one histogram.
func BenchmarkMetrics(b *testing.B) {
	ctx := context.Background()
	b.Run("one_histogram", func(b *testing.B) {
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
		h, _ := provider.Meter("bench").Float64Histogram("seconds",
			metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 180))
		options := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
			attribute.String("endpoint", "/echo"), attribute.String("http_response_code", "200"),
			attribute.String("runner_name", "Echo"), attribute.String("service_name", "Echo"), attribute.String("service_version", "1")))}
		b.ReportAllocs()
		for b.Loop() {
			h.Record(ctx, 0.001, options...)
		}
	})
	b.Run("default_metrics", func(b *testing.B) {
		recorder := runtime.NewRecorder(benchApp(b, nil))
		b.ReportAllocs()
		for b.Loop() {
			recorder.Timed(ctx)
		}
	})
	b.Run("default_metrics_off", func(b *testing.B) {
		recorder := runtime.NewRecorder(benchApp(b, func(c *config.Config) { c.Metrics.Enabled = false }))
		now := time.Now()
		b.ReportAllocs()
		for b.Loop() {
			recorder.Untimed(ctx, now)
		}
	})
}

// benchChunks is the number of chunks of a stream.
const benchChunks = 1000

func bareStream(w http.ResponseWriter, r *http.Request) {
	var in benchEcho
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	for range benchChunks {
		if _, err := io.WriteString(w, "token "); err != nil {
			return
		}
		w.(http.Flusher).Flush()
	}
}

func readStream(b *testing.B, url string) {
	b.Helper()
	res, err := http.Post(url, "application/json", strings.NewReader(`{"text":"hello"}`))
	if err != nil {
		b.Error(err)
		return
	}
	if n, err := io.Copy(io.Discard, res.Body); n != 6*benchChunks || err != nil {
		b.Error(n, err)
	}
	_ = res.Body.Close()
}

// BenchmarkStream measures a stream of 1,000 chunks over a socket, and compares it with
// the same loop in plain net/http with Flush. The sides take turns.
func BenchmarkStream(b *testing.B) {
	app := runtime.New("Stream", runtime.WithLogger(quiet()))
	runtime.HandleStream(app, "stream", func(context.Context, benchEcho) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for range benchChunks {
				if !yield("token ", nil) {
					return
				}
			}
		}
	})
	sides := map[string]*httptest.Server{
		"ekiben": httptest.NewServer(handler(b, app)),
		"bare":   httptest.NewServer(http.HandlerFunc(bareStream)),
	}
	took := map[string][]float64{}
	for b.Loop() {
		for name, server := range sides {
			began := time.Now()
			var clients sync.WaitGroup
			for range 16 { // so that the server is never idle
				clients.Go(func() { readStream(b, server.URL+"/stream") })
			}
			clients.Wait()
			took[name] = append(took[name], time.Since(began).Seconds()/16)
		}
	}
	for _, server := range sides {
		server.Close()
	}
	for _, all := range took {
		slices.Sort(all)
	}
	mine, bare := took["ekiben"], took["bare"]
	b.ReportMetric(mine[len(mine)/2]/bare[len(bare)/2], "ratio")
	b.ReportMetric(mine[len(mine)/2]/benchChunks*1e9, "ns/chunk")
}

// nothing is a ResponseWriter that sends nothing.
type nothing struct{ header http.Header }

func (n nothing) Header() http.Header         { return n.header }
func (n nothing) Write(p []byte) (int, error) { return len(p), nil }
func (n nothing) WriteHeader(int)             {}
func (n nothing) FlushError() error           { return nil }

// BenchmarkChunk measures what a chunk costs without the network, while every core has a
// stream.
func BenchmarkChunk(b *testing.B) {
	const chunks = 100000
	app := runtime.New("Stream", runtime.WithLogger(quiet()))
	runtime.HandleStream(app, "stream", func(context.Context, benchEcho) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for i := 0; i < chunks && yield("token ", nil); i++ {
			}
		}
	})
	h, err := app.Handler()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = app.Shutdown(context.Background()) })
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.ServeHTTP(nothing{http.Header{}}, httptest.NewRequest(http.MethodPost, "/stream", strings.NewReader(`{"text":"hello"}`)))
		}
	})
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/chunks, "ns/chunk")
}

// BenchmarkOpenStreams measures the memory of 10,000 streams that are open at the same
// time, after their first chunk, beyond that of the same handler in plain net/http. The
// connections are pipes, so the memory of the clients is small and the same on both sides.
func BenchmarkOpenStreams(b *testing.B) {
	const streams = 10_000
	app := newApp("Stream", traffic(time.Minute, 0))
	runtime.HandleStream(app, "stream", func(ctx context.Context, _ benchEcho) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			yield("token ", nil)
			<-ctx.Done()
		}
	})
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in benchEcho
		_ = json.NewDecoder(r.Body).Decode(&in)
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, "token ")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	sides := map[string]func(context.Context, *pipes) error{
		"ekiben": func(ctx context.Context, on *pipes) error { return app.Serve(ctx, on) },
		"bare": func(ctx context.Context, on *pipes) error {
			server := &http.Server{Handler: bare}
			context.AfterFunc(ctx, func() { _ = server.Close() })
			return server.Serve(on)
		},
	}
	used := map[string]float64{}
	for name, serve := range sides {
		ctx, stop := context.WithCancel(context.Background())
		listener, ended := newPipes(), make(chan error, 1)
		before := memory()
		go func() { ended <- serve(ctx, listener) }()
		conns := make([]net.Conn, streams)
		for i := range conns {
			conns[i] = openStream(b, listener)
		}
		used[name] = (memory() - before) / streams / 1024
		for _, conn := range conns {
			_ = conn.Close()
		}
		stop()
		<-ended
	}
	for b.Loop() { // the memory does not depend on the number of rounds
	}
	b.ReportMetric(used["ekiben"], "KB/stream")
	b.ReportMetric(used["bare"], "KB/bare")
	b.ReportMetric(used["ekiben"]-used["bare"], "KB/beyond")
}

// openStream sends a request and returns when its first chunk has come.
func openStream(b *testing.B, to *pipes) net.Conn {
	b.Helper()
	conn, err := to.dial(context.Background(), "", "")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"+`{"text":"hello"}`); err != nil {
		b.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for got := ""; !strings.Contains(got, "token \r\n"); {
		n, err := conn.Read(buffer)
		if err != nil {
			b.Fatal(err)
		}
		got += string(buffer[:n])
	}
	return conn
}

// memory returns the bytes of the heap and the stacks that are in use.
func memory() float64 {
	var stats goruntime.MemStats
	for range 2 {
		goruntime.GC()
	}
	goruntime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc + stats.StackInuse)
}
