package runtime_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// stuck declares functions that do not end within shutdown.grace. Each path is a place at which a
// request can be when it is cut off.
func stuck(app *runtime.App) {
	runtime.Handle(app, "ignores", func(context.Context, text) (string, error) { time.Sleep(time.Hour); return "late", nil })
	runtime.Handle(app, "heeds", func(ctx context.Context, _ text) (string, error) { <-ctx.Done(); return "late", nil })
	runtime.Handle(app, "large", func(context.Context, text) (string, error) { return strings.Repeat("x", 50<<20), nil })
	runtime.Handle(app, "quick", named("quick"))
	runtime.HandleStream(app, "stream", func(ctx context.Context, _ text) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			if yield("half ", nil) {
				<-ctx.Done()
				yield("late", nil)
			}
		}
	})
	runtime.HandleBatch(app, "batch", func(_ context.Context, in []int) ([]int, error) { time.Sleep(time.Hour); return in, nil })
	app.Mount("/held", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "in a buffer")
		time.Sleep(time.Hour)
	}))
}

// places are these places, with what the client gets. The body of "/ignores?half" arrives in part.
var places = map[string]string{
	"/ignores": "none", "/ignores?half": "none", "/heeds": "none", "/batch": "none", "/held/": "none", "/large": "part", "/stream": "part", "/quick": "whole",
}

// got sends a request and returns what its client got: none, part or whole.
func (c *cutting) got(path string) string {
	var body io.Reader = strings.NewReader(`{"items":[1]}`)
	if strings.HasSuffix(path, "?half") {
		reader, writer := io.Pipe()
		go func() {
			_, _ = io.WriteString(writer, `{"text":`)
			time.Sleep(time.Minute) // the transport waits for the rest of the body
			_ = writer.Close()
		}()
		body = reader
	}
	res, err := c.http.Post(c.url+path, "application/json", body)
	if err != nil {
		return "none"
	}
	defer res.Body.Close()
	first := make([]byte, 1)
	_, _ = io.ReadFull(res.Body, first)
	time.Sleep(time.Minute) // a client that does not read: the rest does not fit into the connection
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return "part"
	}
	return "whole"
}

// sums returns the values of a counter by the label response, as none=1 part=2.
func sums(data *metricdata.ResourceMetrics, name string) string {
	values := map[string]int64{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == name {
				for _, p := range sum.DataPoints {
					label, _ := p.Attributes.Value("response")
					values[label.AsString()] = p.Value
				}
			}
		}
	}
	return fmt.Sprint(values)
}

// The counter, the log and the clients agree on the requests that the end of shutdown.grace cuts
// off, wherever they are. If only a part of the header has arrived, it is not a request yet.
func TestCutRequestsAreCounted(t *testing.T) {
	for how := range cutters {
		if how == "middleware" {
			continue // it buffers streams
		}
		t.Run(how, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { cutEverywhere(t, how) }) })
	}
}

func cutEverywhere(t *testing.T, how string) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	var data metricdata.ResourceMetrics
	c := cut(t, how, "text", func(app *runtime.App) {
		stuck(app)
		app.OnStop(func(ctx context.Context) error { return reader.Collect(ctx, &data) }) // after the cut, before the last push
	}, runtime.WithReaders(reader))
	half := c.dial()
	check.Value(io.WriteString(half, "POST /ignores HTTP/1.1\r\nHost: x\r\nX-Half"))(t)
	clients := make(chan string, len(places))
	for path, want := range places {
		go func() {
			got := c.got(path)
			if got != want {
				t.Errorf("%s: the client got %s, want %s", path, got, want)
			}
			clients <- got
		}()
	}
	synctest.Wait()
	check.Contains(t, c.end().Error(), "shutdown.grace: connections with an unfinished request, cut off after 1s: ")
	seen := map[string]int64{}
	for range places {
		seen[<-clients]++
	}
	delete(seen, "whole")
	check.Equal(t, len(check.Value(io.ReadAll(half))(t)), 0)
	check.Equal(t, fmt.Sprint(seen), "map[none:5 part:2]")
	check.Equal(t, sums(&data, "ekiben.http.cut_requests"), fmt.Sprint(seen))
	check.Equal(t, sums(&data, "ekiben.http.disconnects"), "map[:0]")
	lines := c.lines()
	logged := map[string]int64{
		"none": int64(len(regexp.MustCompile(` status=0 .* response_bytes=0 .*cut=true`).FindAllString(lines, -1))),
		"part": int64(len(regexp.MustCompile(` status=200 .*cut=true`).FindAllString(lines, -1))),
	}
	check.Equal(t, fmt.Sprint(logged), fmt.Sprint(seen))
	check.Contains(t, c.log.String(), "msg=stopped cut_none=5 cut_part=2\n")
	time.Sleep(2 * time.Hour) // until the functions have returned
	if later := c.lines(); later != lines {
		t.Errorf("when Serve returned there was\n%s\nand later\n%s", lines, later)
	}
}

// CutOff counts and logs what a second signal cuts off. It does not wait for a client that
// does not read.
func TestCutOff(t *testing.T) {
	for how := range cutters {
		if how == "middleware" {
			continue // it buffers streams
		}
		t.Run(how, func(t *testing.T) {
			hangs(t)
			synctest.Test(t, func(t *testing.T) {
				var app *runtime.App
				c := cut(t, how, "text", func(declared *runtime.App) { app = declared; stuck(app) })
				clients := make(chan string, 3)
				for _, path := range []string{"/ignores", "/large", "/stream"} {
					go func() { clients <- path + " " + c.got(path) }()
				}
				synctest.Wait()
				began := time.Now()
				app.CutOff()
				check.Equal(t, time.Since(began), 0)
				got := []string{<-clients, <-clients, <-clients}
				slices.Sort(got)
				check.Equal(t, got, []string{"/ignores none", "/large part", "/stream part"})
				check.Contains(t, c.log.String(), `msg="the process ends at once" cut_none=1 cut_part=2 unfinished=`)
				check.Equal(t, strings.Count(c.lines(), "cut=true"), 3)
				time.Sleep(2 * time.Hour) // until the functions have returned
			})
		})
	}
}

// The last push has the requests that were cut off.
func TestCutRequestsArePushed(t *testing.T) {
	remote, url := collect(t, 0)
	app := newApp("Slow", settings(func(cfg *config.Config) {
		cfg.Shutdown.Grace, cfg.OTLP.Enabled, cfg.OTLP.Endpoint, cfg.OTLP.Interval = 100*time.Millisecond, true, url, time.Hour
	}))
	g := newGate()
	runtime.Handle(app, "wait", g.wait)
	s := serve(t, app)
	failed := make(chan error, 1)
	go func() {
		_, err := s.try(http.MethodPost, "/wait", "{}")
		failed <- err
	}()
	<-g.entered
	check.Contains(t, s.end().Error(), "cut off after 100ms: 1")
	close(g.release)
	check.Contains(t, (<-failed).Error(), "EOF")
	got := map[string]int64{}
	for len(remote.metrics) > 0 {
		for _, scope := range (<-remote.metrics).GetResourceMetrics()[0].GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				for _, p := range m.GetSum().GetDataPoints() {
					if m.GetName() == "ekiben.http.cut_requests" {
						got[p.GetAttributes()[0].GetValue().GetStringValue()] = p.GetAsInt()
					}
				}
			}
		}
	}
	check.Equal(t, fmt.Sprint(got), "map[none:1 part:0]")
}
