package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A stream that fails after its first chunk is cut, counted with the status that was
// sent, and by reason.
func TestStreamFails(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		s := host.start(t, streams(traffic(time.Minute, 0)))
		for _, fault := range []string{"boom", "gone", "panic", "canceled", "expired"} {
			got, err := s.try("POST", "/words", `{"text":"a `+fault+`"}`)
			if err == nil || got.status != 200 && host.name != "direct" && host.name != "hidden" { // which send nothing before the end
				t.Errorf("%s: got %v, %v", fault, got, err)
			}
		}
		synctest.Wait()
		got := s.samples("request_total", `"/words"`) + s.samples("stream_ended", `"error"`, `"words"`) + s.samples("stream_open", `"words"`)
		want := `bentoml_service_request_total{endpoint="/words",http_response_code="200"} 5.0
bentoml_service_request_total{endpoint="/words",http_response_code="500"} 0.0
ekiben_stream_ended_total{method_name="words",reason="error"} 5.0
ekiben_stream_open{method_name="words"} 0.0
`
		if got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// traffic.timeout limits the time to the first chunk only.
func TestStreamTimeout(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		s := host.start(t, streams(traffic(500*time.Millisecond, 1)))
		s.post("/words", `{"text":"a pause b pause c"}`).want(t, 200, "a b c ")
		late := `{"error":"Not able to process the request in 0.5 seconds"}`
		for _, text := range []string{"pause a", "deaf a"} {
			began := time.Now()
			s.post("/words", `{"text":"`+text+`"}`).want(t, 504, late)
			if took := time.Since(began); took != 500*time.Millisecond {
				t.Errorf("%q: the response came after %s", text, took)
			}
			if text == "deaf a" { // the function has its slot until it returns
				s.post("/words", `{}`).want(t, 429, `{"error":"Too many requests"}`)
			}
			time.Sleep(20 * time.Second)
		}
		if got := s.samples("ekiben_http_overdue") + s.samples("traffic_concurrency"); got != "ekiben_http_overdue{} 0.0\nekiben_traffic_concurrency{} 0.0\n" {
			t.Errorf("got %q", got)
		}
	})
}

// The recorded time to the first chunk is within 5 % of what a client measures.
func TestStreamTimeToFirstChunk(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		if host.name == "direct" || host.name == "hidden" {
			return // they send nothing before the end
		}
		s := host.start(t, streams(traffic(time.Minute, 0)))
		measured, n := time.Duration(0), 5
		for i := range n {
			began := time.Now()
			res := check.Value(s.http.Post(s.url+"/words", "", strings.NewReader(`{"text":"`+strings.Repeat("pause ", i+1)+`a pause b"}`)))(t)
			_, err := res.Body.Read(make([]byte, 1))
			check.Must(t, err)
			measured += time.Since(began)
			_, _ = io.Copy(io.Discard, res.Body)
			check.OK(t, res.Body.Close())
		}
		var recorded float64
		_, err := fmt.Sscanf(s.samples("time_to_first_chunk_seconds_sum", `"words"`), `ekiben_stream_time_to_first_chunk_seconds_sum{method_name="words"} %g`, &recorded)
		check.Must(t, err)
		if measured != 15*time.Second || math.Abs(recorded/measured.Seconds()-1) > 0.05 {
			t.Errorf("recorded %v s, the client measured %s", recorded, measured)
		}
	})
}

// A stream is cut at its limits, also while the function ignores its context.
func TestStreamLimits(t *testing.T) {
	for reason, row := range map[string]struct {
		text   string
		limits config.Stream
		after  time.Duration
	}{
		"idle":                  {"a deaf b", config.Stream{IdleTimeout: 2 * time.Second}, 2 * time.Second},
		"duration":              {"a pause b pause c pause d pause", config.Stream{MaxDuration: 2500 * time.Millisecond}, 2500 * time.Millisecond},
		"idle, of the endpoint": {"a deaf b", config.Stream{IdleTimeout: time.Second}, 2 * time.Second},
	} {
		t.Run(reason, func(t *testing.T) {
			bubbles(t, func(t *testing.T, host host) {
				log, logger := newAwaited(t)
				s := host.start(t, streams(logger, settings(func(c *config.Config) {
					c.HTTP.H2C, c.Traffic.Stream = true, row.limits
					if strings.HasSuffix(reason, "endpoint") {
						c.Traffic.Endpoints = map[string]config.EndpointTraffic{"/words": {Stream: config.ServiceStream{IdleTimeout: new(2 * time.Second)}}}
					}
				})))
				began := time.Now()
				if got, err := s.try("POST", "/words", `{"text":"`+row.text+`"}`); err == nil {
					t.Errorf("got %v", got)
				}
				if took := time.Since(began); took != row.after {
					t.Errorf("cut after %s, want %s", took, row.after)
				}
				synctest.Wait()
				if got := s.samples("stream_ended", strings.TrimSuffix(reason, ", of the endpoint"), `"words"`, " 1.0"); got == "" {
					t.Error(s.samples("stream_ended"))
				}
				if !strings.Contains(log.String(), "stream ended early") {
					t.Error(log.String())
				}
				time.Sleep(time.Minute)
				if got := s.samples("ekiben_http_overdue"); got != "ekiben_http_overdue{} 0.0\n" {
					t.Errorf("got %s", got)
				}
				check.Equal(t, strings.Contains(log.String(), "level=ERROR"), false) // the function returned as its yield told it
			})
		})
	}
}

// ErrorEvent tells of a limit, also while the function ignores its context.
func TestStreamLimitsAreTold(t *testing.T) {
	for reason, row := range map[string]struct {
		text, want string
		limits     config.Stream
	}{
		"idle":                       {"a deaf b", "The stream had no event for 2s", config.Stream{IdleTimeout: 2 * time.Second}},
		"duration":                   {"a pause deaf", "The stream was not finished within 2.5s", config.Stream{MaxDuration: 2500 * time.Millisecond}},
		"duration, which it notices": {"a pause pause pause", "The stream was not finished within 2.5s", config.Stream{MaxDuration: 2500 * time.Millisecond}},
	} {
		t.Run(reason, func(t *testing.T) {
			bubbles(t, func(t *testing.T, host host) {
				app := newApp("Events", settings(func(c *config.Config) { c.HTTP.H2C, c.Traffic.Stream = true, row.limits }))
				runtime.HandleEvents(app, "events", func(ctx context.Context, in text) iter.Seq2[runtime.Event[string], error] {
					return func(yield func(runtime.Event[string], error) bool) {
						for word, err := range words(ctx, in) {
							if !yield(runtime.Event[string]{Data: word}, err) {
								return
							}
						}
					}
				}, runtime.ErrorEvent("error"), runtime.DoneEvent("[DONE]"))
				s := host.start(t, app)
				s.post("/events", `{"text":"`+row.text+`"}`).want(t, 200, "data: a \n\nevent: error\ndata: {\"error\":\""+row.want+"\"}\n\n")
				s.post("/events", `{"text":"b"}`).want(t, 200, "data: b \n\ndata: [DONE]\n\n") // on the same connection
				reason, _, _ := strings.Cut(reason, ",")
				if got := s.samples("stream_ended", `"`+reason+`"`, " 1.0"); got == "" {
					t.Error(s.samples("stream_ended"))
				}
				time.Sleep(time.Minute)
				if got := s.samples("ekiben_http_overdue"); got != "ekiben_http_overdue{} 0.0\n" {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}

// A client that leaves ends the function's context at once.
func TestStreamDisconnect(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		if host.name == "direct" || host.name == "hidden" {
			return // no connection, no flush
		}
		ended := make(chan error, 1)
		app := newApp("Kinds", traffic(time.Minute, 0))
		runtime.HandleStream(app, "wait", func(ctx context.Context, _ struct{}) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				yield("a", nil)
				<-ctx.Done()
				ended <- ctx.Err()
			}
		})
		s := host.start(t, app)
		ctx, leave := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "POST", s.url+"/wait", strings.NewReader("{}"))
		res, err := s.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 1)
		if _, err := res.Body.Read(first); err != nil || string(first) != "a" {
			t.Errorf("got %q, %v", first, err)
		}
		leave()
		_ = res.Body.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		got := s.samples("stream_ended", "disconnect") + s.samples("http_disconnects")
		if want := "ekiben_stream_ended_total{method_name=\"wait\",reason=\"disconnect\"} 1.0\nekiben_http_disconnects_total{} 1.0\n"; got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// A client that does not read blocks the function, and is cut off at the limit.
func TestStreamSlowReader(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		if host.name == "direct" || host.name == "hidden" {
			return // no connection, no deadline for writes
		}
		ended, yielded := make(chan time.Time, 1), 0
		app := newApp("Kinds", settings(func(c *config.Config) { c.HTTP.H2C, c.Traffic.Stream.WriteTimeout = true, 3*time.Second }))
		runtime.HandleStream(app, "flood", func(context.Context, struct{}) iter.Seq2[[]byte, error] {
			return func(yield func([]byte, error) bool) {
				for chunk := make([]byte, 1<<16); yield(chunk, nil); yielded++ {
				}
				ended <- time.Now()
			}
		})
		s := host.start(t, app)
		began := time.Now()
		res, err := s.http.Post(s.url+"/flood", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := (<-ended).Sub(began); took != 3*time.Second || yielded > 1000 {
			t.Errorf("the function ended after %s and %d chunks", took, yielded)
		}
		synctest.Wait()
		if got, want := s.samples("stream_ended", "slow_reader")+s.samples("http_disconnects"), "ekiben_stream_ended_total{method_name=\"flood\",reason=\"slow_reader\"} 1.0\nekiben_http_disconnects_total{} 0.0\n"; got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		if _, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Error("the response looks whole")
		}
		_ = res.Body.Close()
	})
}

// A client that does not read the last event is cut off too.
func TestStreamSlowReaderOfTheLastEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Events", settings(func(c *config.Config) { c.Traffic.Stream.WriteTimeout = 3 * time.Second }))
		runtime.HandleEvents(app, "events", func(context.Context, struct{}) iter.Seq2[runtime.Event[string], error] {
			return func(yield func(runtime.Event[string], error) bool) { yield(runtime.Event[string]{Data: "a"}, nil) }
		}, runtime.DoneEvent(strings.Repeat("x", 1<<17)))
		s := servePipe(t, app)
		conn := s.dial()
		_, err := io.WriteString(conn, "POST /events HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
		check.Must(t, err)
		for got := ""; !strings.Contains(got, "data: a\n\n\r\n"); { // the whole chunk
			part := make([]byte, 1)
			_, err := conn.Read(part)
			check.Must(t, err)
			got += string(part)
		}
		time.Sleep(4 * time.Second)
		want := "ekiben_stream_ended_total{method_name=\"events\",reason=\"slow_reader\"} 1.0\nbentoml_service_request_in_progress{endpoint=\"/events\"} 0.0\n"
		check.Equal(t, s.samples("stream_ended", "slow_reader")+s.samples("in_progress", "/events"), want)
		check.OK(t, conn.Close())
	})
}

// Drain waits for streams, and cuts those that run beyond shutdown.grace.
func TestStreamDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, logger := newAwaited(t)
		app := streams(logger, settings(func(c *config.Config) { c.Shutdown.Idle, c.Shutdown.Grace = 0, 2500*time.Millisecond }))
		s := servePipe(t, app)
		results := make(chan string, 2)
		for _, text := range []string{"a pause b", "a pause b pause c pause d"} {
			go func() {
				res, err := s.http.Post(s.url+"/words", "", strings.NewReader(`{"text":"`+text+`"}`))
				if err != nil {
					results <- err.Error()
					return
				}
				body, err := io.ReadAll(res.Body)
				results <- fmt.Sprintf("%s%v", body, err)
			}()
		}
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- s.end() }()
		got := []string{<-results, <-results}
		if !slices.Equal(got, []string{"a b <nil>", "a b c unexpected EOF"}) {
			t.Errorf("got %q", got)
		}
		if err := <-done; err == nil || !strings.Contains(err.Error(), "cut off after 2.5s: 1") {
			t.Error(err)
		}
		if !strings.Contains(log.String(), "cut=true") {
			t.Error(log.String())
		}
	})
}

// Middleware that has begun the response leaves no 504 to send. traffic.timeout still ends
// the function's context, and the stream is cut, as with Handle.
func TestStreamTimeoutAfterMiddlewareBegan(t *testing.T) {
	const cut = `connection closed: the response had begun when the function failed: 504 Gateway Timeout: Not able to process the request in 5 seconds`
	for _, text := range []string{"pause pause pause pause pause pause pause", "deaf a"} {
		bubbles(t, func(t *testing.T, host host) {
			log, logger := textLog(slog.LevelWarn)
			app := streams(logger, traffic(5*time.Second, 0))
			app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				_, _ = io.WriteString(w, "begun ")
				next.ServeHTTP(w, r)
			}))
			s := host.start(t, app)
			began := time.Now()
			if got, err := s.try("POST", "/words", `{"text":"`+text+`"}`); err == nil {
				t.Errorf("%q: got %v", text, got)
			}
			want := 5 * time.Second
			if text == "deaf a" { // when it yields
				want = 10 * time.Second
			}
			if took := time.Since(began); took != want {
				t.Errorf("%q: the response ended after %s", text, took)
			}
			synctest.Wait()
			check.Contains(t, log.String(), cut)
			if got := s.samples("request_total", `"504"`); got == "" {
				t.Errorf("%q: got %s", text, s.samples("request_total"))
			}
		})
	}
}

// brittle is a writer of middleware that panics at a heartbeat.
type brittle struct{ http.ResponseWriter }

func (f brittle) Write(p []byte) (int, error) {
	if string(p) == ":\n\n" {
		panic("secret: heartbeat")
	}
	return f.ResponseWriter.Write(p)
}

func (f brittle) Unwrap() http.ResponseWriter { return f.ResponseWriter }

// A panic of middleware's writer at a heartbeat ends the stream, not the process.
func TestHeartbeatPanics(t *testing.T) {
	for _, obeys := range []bool{true, false} {
		bubbles(t, func(t *testing.T, host host) {
			log, logger := textLog(slog.LevelError)
			app := newApp("Fragile", logger, traffic(time.Minute, 0))
			app.Use(through(func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(brittle{w}, r) }))
			runtime.HandleEvents(app, "events", func(ctx context.Context, _ struct{}) iter.Seq2[runtime.Event[string], error] {
				return func(yield func(runtime.Event[string], error) bool) {
					yield(runtime.Event[string]{Data: "a"}, nil)
					select {
					case <-ctx.Done():
						if obeys {
							return
						}
					case <-time.After(time.Minute):
					}
					if yield(runtime.Event[string]{Data: "b"}, nil) {
						t.Error("b was sent")
					}
				}
			}, runtime.Heartbeat(10*time.Second))
			s := host.start(t, app)
			began := time.Now()
			if got, err := s.try("POST", "/events", "{}"); err == nil {
				t.Errorf("got %v", got)
			}
			if took := time.Since(began); took != 10*time.Second {
				t.Errorf("the stream ended after %s", took)
			}
			synctest.Wait()
			check.Contains(t, log.String(), "panic: secret: heartbeat")
			check.Contains(t, log.String(), "brittle.Write")
			if got := s.samples("stream_ended", `"error"`, " 1.0"); got == "" {
				t.Errorf("got %s", s.samples("stream_ended"))
			}
		})
	}
}
