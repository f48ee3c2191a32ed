package runtime_test

import (
	"context"
	"io"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A client that does not read is a slow reader also if http.limits.write_timeout ends its stream.
func TestStreamUnreadWithoutItsOwnLimit(t *testing.T) {
	for _, own := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan time.Time, 1)
			app := newApp("Kinds", settings(func(c *config.Config) { c.Traffic.Stream.WriteTimeout = own }))
			runtime.HandleStream(app, "flood", func(context.Context, struct{}) iter.Seq2[[]byte, error] {
				return func(yield func([]byte, error) bool) {
					for chunk := make([]byte, 1<<16); yield(chunk, nil); {
					}
					ended <- time.Now()
				}
			})
			s := servePipe(t, app)
			began, conn := time.Now(), s.dial()
			_, err := io.WriteString(conn, "POST /flood HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
			check.Must(t, err)
			if took := (<-ended).Sub(began); took < 30*time.Second || took > 32*time.Second {
				t.Errorf("the function ended after %s", took)
			}
			synctest.Wait()
			check.Equal(t, s.samples("stream_ended", "slow_reader")+s.samples("http_disconnects"),
				"ekiben_stream_ended_total{method_name=\"flood\",reason=\"slow_reader\"} 1.0\nekiben_http_disconnects_total{} 0.0\n")
			_ = conn.Close()
		})
	}
}

// A stream whose function returns as its limit is reached is complete, or ended by the limit.
func TestStreamEndsAtItsLimit(t *testing.T) {
	app := newApp("Events", settings(func(c *config.Config) { c.Traffic.Stream.IdleTimeout = 20 * time.Millisecond }))
	runtime.HandleEvents(app, "events", func(context.Context, struct{}) iter.Seq2[runtime.Event[string], error] {
		return func(yield func(runtime.Event[string], error) bool) {
			yield(runtime.Event[string]{Data: "a"}, nil)
			time.Sleep(19950 * time.Microsecond)
		}
	}, runtime.DoneEvent("done"))
	s := serve(t, app)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 40 {
				res, err := s.http.Post(s.url+"/events", "application/json", strings.NewReader("{}"))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
	all.Wait()
	check.Contains(t, s.samples("stream_ended", `"error"`), "} 0.0\n")
}
