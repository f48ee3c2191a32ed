package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// words yields the words of a text. Some words do something else.
func words(ctx context.Context, in text) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, word := range strings.Fields(in.Text) {
			switch word {
			case "boom":
				yield("", errors.New("secret: boom"))
				return
			case "gone":
				yield("", runtime.Errorf(http.StatusGone, "no more"))
				return
			case "panic":
				panic("secret: panic")
			case "pause":
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
					yield("", ctx.Err())
					return
				}
				continue
			case "deaf":
				time.Sleep(10 * time.Second)
				continue
			}
			if !yield(word+" ", nil) {
				return
			}
		}
	}
}

type word struct {
	Word  string `json:"word"`
	Index int    `json:"index"`
}

func objects(_ context.Context, in text) iter.Seq2[word, error] {
	return func(yield func(word, error) bool) {
		for i, one := range strings.Fields(in.Text) {
			if !yield(word{one, i}, nil) {
				return
			}
		}
	}
}

func streams(opts ...runtime.Option) *runtime.App {
	app := newApp("Kinds", opts...)
	runtime.HandleStream(app, "words", words)
	runtime.HandleStream(app, "objects", objects)
	runtime.HandleStream(app, "lines", objects, runtime.NDJSON())
	runtime.HandleStream(app, "bytes", func(context.Context, struct{}) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) { yield([]byte{0, 1, 2}, nil) }
	}, runtime.ContentType("application/octet-stream"))
	return app
}

// A stream sends each chunk at once, and fails as an ordinary request before its first
// chunk.
func TestStream(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		s := host.start(t, streams(traffic(time.Minute, 0)))
		for _, row := range []struct {
			path, body  string
			status      int
			want, media string
		}{
			{"/words", `{"text":"a b c"}`, 200, "a b c ", "text/event-stream; charset=utf-8"},
			{"/words", `{"text":""}`, 200, "", "text/event-stream; charset=utf-8"},
			{"/objects", `{"text":"a b"}`, 200, `{"word":"a","index":0}{"word":"b","index":1}`, "text/event-stream; charset=utf-8"},
			{"/lines", `{"text":"a b"}`, 200, "{\"word\":\"a\",\"index\":0}\n{\"word\":\"b\",\"index\":1}\n", "application/x-ndjson"},
			{"/bytes", `{}`, 200, "\x00\x01\x02", "application/octet-stream"},
			{"/words", `{"text":"boom"}`, 500, masked, "application/json"},
			{"/words", `{"text":"panic"}`, 500, masked, "application/json"},
			{"/words", `{"text":"gone"}`, 410, `{"error":"no more"}`, "application/json"},
			{"/words", `{"text":4}`, 400, `{"error":"1 validation error for Input","detail":[{"type":"string_type","loc":["text"],"msg":"Input should be a valid string"}]}`, "application/json"},
		} {
			got := s.post(row.path, row.body)
			got.want(t, row.status, row.want)
			if got.header.Get("Content-Type") != row.media {
				t.Errorf("%s: Content-Type %q", row.path, got.header.Get("Content-Type"))
			}
		}
		want := `ekiben_stream_ended_total{method_name="words",reason="completed"} 2.0` + "\n"
		if got := s.samples("stream_ended", `"words"`, " 2.0"); got != want {
			t.Errorf("got %s", got)
		}
	})
}

// A stream that fails after its first chunk is cut, counted with the status that was
// sent, and by reason.
func TestStreamFails(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		s := host.start(t, streams(traffic(time.Minute, 0)))
		for _, fault := range []string{"boom", "gone", "panic"} {
			got, err := s.try("POST", "/words", `{"text":"a `+fault+`"}`)
			if err == nil || got.status != 200 && host.name != "direct" && host.name != "hidden" { // which send nothing before the end
				t.Errorf("%s: got %v, %v", fault, got, err)
			}
		}
		synctest.Wait()
		got := s.samples("request_total", `"/words"`) + s.samples("stream_ended", `"error"`, `"words"`) + s.samples("stream_open", `"words"`)
		want := `bentoml_service_request_total{endpoint="/words",http_response_code="200"} 3.0
bentoml_service_request_total{endpoint="/words",http_response_code="500"} 0.0
ekiben_stream_ended_total{method_name="words",reason="error"} 3.0
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
		if got := s.samples("overdue") + s.samples("traffic_concurrency"); got != "ekiben_http_overdue{} 0.0\nekiben_traffic_concurrency{} 0.0\n" {
			t.Errorf("got %q", got)
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
		"idle":     {"a deaf b", config.Stream{IdleTimeout: 2 * time.Second}, 2 * time.Second},
		"duration": {"a pause b pause c pause d pause", config.Stream{MaxDuration: 2500 * time.Millisecond}, 2500 * time.Millisecond},
	} {
		t.Run(reason, func(t *testing.T) {
			bubbles(t, func(t *testing.T, host host) {
				log, logger := newAwaited(t)
				s := host.start(t, streams(logger, settings(func(c *config.Config) { c.HTTP.H2C, c.Traffic.Stream = true, row.limits })))
				began := time.Now()
				if got, err := s.try("POST", "/words", `{"text":"`+row.text+`"}`); err == nil {
					t.Errorf("got %v", got)
				}
				if took := time.Since(began); took != row.after {
					t.Errorf("cut after %s, want %s", took, row.after)
				}
				synctest.Wait()
				if got := s.samples("stream_ended", reason, `"words"`, " 1.0"); got == "" {
					t.Error(s.samples("stream_ended"))
				}
				if !strings.Contains(log.String(), "stream cut") {
					t.Error(log.String())
				}
				time.Sleep(time.Minute)
				if got := s.samples("overdue"); got != "ekiben_http_overdue{} 0.0\n" {
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

// Events have ids, names, retries, heartbeats, a last event, and an event for an error.
func TestEvents(t *testing.T) {
	events := func(ctx context.Context, in text) iter.Seq2[runtime.Event[word], error] {
		return func(yield func(runtime.Event[word], error) bool) {
			if in.Text == "bad" {
				yield(runtime.Event[word]{ID: "a\nb"}, nil)
				return
			}
			if !yield(runtime.Event[word]{ID: "1", Name: "word", Retry: time.Second, Data: word{in.Text, 1}}, nil) {
				return
			}
			if in.Text == "boom" {
				yield(runtime.Event[word]{}, errors.New("secret"))
				return
			}
			time.Sleep(25 * time.Second)
			yield(runtime.Event[word]{Data: word{"after " + runtime.RequestFrom(ctx).LastEventID(), 2}}, nil)
		}
	}
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Events", traffic(time.Minute, 0))
		runtime.HandleEvents(app, "events", events, runtime.Heartbeat(10*time.Second), runtime.DoneEvent("[DONE]"), runtime.ErrorEvent("error"))
		s := host.start(t, app)
		got := s.do("POST", "/events", `{"text":"a"}`, "Last-Event-ID", "7")
		got.want(t, 200, "id: 1\nevent: word\nretry: 1000\ndata: {\"word\":\"a\",\"index\":1}\n\n:\n\n:\n\ndata: {\"word\":\"after 7\",\"index\":2}\n\ndata: [DONE]\n\n")
		if header := got.header; header.Get("X-Accel-Buffering") != "no" || header.Get("Cache-Control") != "no-cache" {
			t.Errorf("got %v", header)
		}
		s.post("/events", `{"text":"boom"}`).want(t, 200, "id: 1\nevent: word\nretry: 1000\ndata: {\"word\":\"boom\",\"index\":1}\n\nevent: error\ndata: "+masked+"\n\n")
		s.post("/events", `{"text":"bad"}`).want(t, 500, masked)
	})
}

type line string

// Options of streams are errors where they have no effect.
func TestStreamOptions(t *testing.T) {
	app := newApp("Wrong")
	runtime.Handle(app, "one", func(context.Context, struct{}) (int, error) { return 0, nil }, runtime.NDJSON(), runtime.Heartbeat(1))
	runtime.HandleStream(app, "two", words, runtime.DoneEvent("x"), runtime.ErrorEvent("x"), runtime.NDJSON())
	runtime.HandleEvents(app, "three", func(context.Context, struct{}) iter.Seq2[runtime.Event[int], error] { return nil },
		runtime.NDJSON(), runtime.Heartbeat(-1), runtime.ErrorEvent("a\nb"))
	runtime.HandleStream[text, string](app, "four", nil)
	runtime.HandleStream(app, "named", func(context.Context, text) iter.Seq2[line, error] { return nil }, runtime.NDJSON())
	runtime.HandleStream(app, "five", func(context.Context, text) iter.Seq2[chan int, error] { return nil })
	err := app.Check()
	if err == nil {
		t.Fatal("no error")
	}
	got := strings.Split(err.Error(), "\n")
	want := []string{
		`service "Wrong": API "one": runtime.NDJSON: has an effect only with runtime.HandleStream`,
		`service "Wrong": API "one": runtime.Heartbeat: has an effect only with runtime.HandleEvents`,
		`service "Wrong": API "two": runtime.DoneEvent: has an effect only with runtime.HandleEvents`,
		`service "Wrong": API "two": runtime.ErrorEvent: has an effect only with runtime.HandleEvents`,
		`service "Wrong": API "two": runtime.NDJSON: needs chunks that are sent as JSON, found string`,
		`service "Wrong": API "three": runtime.NDJSON: has an effect only with runtime.HandleStream`,
		`service "Wrong": API "three": runtime.Heartbeat: must not be negative, found -1ns`,
		`service "Wrong": API "three": runtime.ErrorEvent: the name of an event must not contain a line break or NUL, found "a\nb"`,
		`service "Wrong": API "four": function: must not be nil`,
		`service "Wrong": API "named": runtime.NDJSON: needs chunks that are sent as JSON, found runtime_test.line`,
	}
	if len(got) != len(want)+1 || !slices.Equal(got[:len(want)], want) {
		t.Errorf("got\n%s", err)
	}
}

// A call in process is a sequence. It is counted like a request.
func TestStreamCall(t *testing.T) {
	const late = "504 Gateway Timeout: Not able to process the request in 5 seconds"
	leave := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(1500*time.Millisecond, cancel)
		return ctx, cancel
	}
	for text, row := range map[string]struct {
		caller    func(context.Context) (context.Context, context.CancelFunc)
		most      int // chunks that the caller takes; 0: all
		want, err string
		status    string
		reason    string
	}{
		"a b c":               {want: "a b c ", status: "200", reason: "completed"},
		"":                    {status: "200", reason: "completed"},
		"a b":                 {most: 1, want: "a ", status: "200", reason: "disconnect"},
		"boom":                {err: "secret: boom", status: "500"},
		"gone":                {err: "410 Gone: no more", status: "410"},
		"panic":               {err: "panic: secret: panic", status: "500"},
		"a panic":             {want: "a ", err: "panic: secret: panic", status: "200", reason: "error"},
		"a boom":              {want: "a ", err: "secret: boom", status: "200", reason: "error"},
		"deaf a":              {err: late, status: "504"},
		"a deaf b":            {want: "a ", err: "stream cut: no chunk within traffic.stream.idle_timeout, 2s", status: "200", reason: "idle"}, // when it yields
		"a pause pause pause": {want: "a ", err: "stream cut: no chunk within traffic.stream.idle_timeout, 2s", status: "200", reason: "idle"},
		"a pause b pause c":   {caller: leave, want: "a b ", err: "context canceled", status: "200", reason: "disconnect"},
		"a pause b pause c pause d pause e pause f pause g": {want: "a b c d e f ", err: "stream cut: not finished within 5.5s", status: "200", reason: "duration"},
	} {
		t.Run(text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newApp("Front", settings(func(c *config.Config) {
					c.Traffic.Timeout = 5 * time.Second
					c.Traffic.Stream = config.Stream{IdleTimeout: 2 * time.Second, MaxDuration: 5500 * time.Millisecond}
				}))
				api := runtime.HandleStream(app.AddService("Inner"), "words", words)
				runtime.Handle(app, "one", func(context.Context, struct{}) (int, error) { return 0, nil })
				s := direct(t, app)
				ctx, cancel := context.Background(), func() {}
				if row.caller != nil {
					ctx, cancel = row.caller(ctx)
				}
				defer cancel()
				got, failed, taken := "", "", 0
				for chunk, err := range api.Call(ctx, struct {
					Text string `json:"text" default:"hello"`
				}{text}) {
					got += chunk
					if err != nil {
						failed = err.Error()
					}
					if taken++; taken == row.most {
						break
					}
				}
				if got != row.want || failed != row.err {
					t.Errorf("got %q, %q", got, failed)
				}
				if s.samples("request_total", `"/words"`, `"`+row.status+`"`, " 1.0") == "" {
					t.Errorf("got %s", s.samples("request_total", `"/words"`))
				}
				want := ""
				if row.reason != "" {
					want = `ekiben_stream_ended_total{method_name="words",reason="` + row.reason + `"} 1.0` + "\n"
				}
				if got := s.samples("stream_ended", " 1.0"); got != want {
					t.Errorf("got %s", got)
				}
				if got := s.samples("concurrency{") + s.samples("stream_open"); strings.Contains(got, " 1.0") {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}

// A panic of the caller's loop is the caller's.
func TestStreamCallerPanics(t *testing.T) {
	app := newApp("Front", settings(nil))
	api := runtime.HandleStream(app, "words", words)
	s := direct(t, app)
	defer func() {
		if p := recover(); p != "mine" {
			t.Errorf("got %v", p)
		}
		if got := s.samples("concurrency{") + s.samples("stream_open"); strings.Contains(got, " 1.0") {
			t.Errorf("got %s", got)
		}
	}()
	for range api.Call(context.Background(), text{"a b"}) {
		panic("mine")
	}
}

// The documents describe a stream by its chunks, as BentoML's do.
func TestStreamDocuments(t *testing.T) {
	app := streams()
	runtime.HandleEvents(app, "events", func(context.Context, text) iter.Seq2[runtime.Event[int], error] { return nil })
	s := direct(t, app)
	schema, docs := s.do("GET", "/schema.json", "").body, s.do("GET", "/docs.json", "").body
	for _, part := range []string{
		`"output":{"type":"string","is_stream":true,"media_type":"text/event-stream"}`,
		`"required":["word","index"],"is_stream":true,"media_type":"text/event-stream"}`,
		`"is_stream":true,"media_type":"application/x-ndjson"}`,
		`"output":{"type":"string","format":"binary","is_stream":true,"media_type":"application/octet-stream"}`,
		`"output":{"type":"integer","is_stream":true,"media_type":"text/event-stream"}`,
	} {
		if !strings.Contains(schema, part) {
			t.Errorf("/schema.json lacks %s", part)
		}
	}
	if part := `"200":{"description":"Successful Response","content":{"text/event-stream":{"schema":{"type":"string"}}}}`; !strings.Contains(docs, part) || strings.Contains(docs, "is_stream") {
		t.Errorf("/docs.json lacks %s", part)
	}
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
