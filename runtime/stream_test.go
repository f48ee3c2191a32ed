package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
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
			case "canceled":
				yield("", context.Canceled)
				return
			case "expired":
				yield("", context.DeadlineExceeded)
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
	runtime.HandleEvents(app, "texts", func(_ context.Context, in text) iter.Seq2[runtime.Event[string], error] {
		return func(yield func(runtime.Event[string], error) bool) { yield(runtime.Event[string]{Data: in.Text}, nil) }
	})
	runtime.HandleEvents(app, "texts_of_bytes", func(_ context.Context, in text) iter.Seq2[runtime.Event[[]byte], error] {
		return func(yield func(runtime.Event[[]byte], error) bool) {
			yield(runtime.Event[[]byte]{Data: []byte(in.Text)}, nil)
		}
	})
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
			{"/texts", `{"text":"\"é\"\nb"}`, 200, "data: \"é\"\ndata: b\n\n", "text/event-stream; charset=utf-8"},
			{"/texts_of_bytes", `{"text":"\"é\"\nb"}`, 200, "data: \"é\"\ndata: b\n\n", "text/event-stream; charset=utf-8"},
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

// Events have ids, names, retries, heartbeats, a last event, and an event for an error.
func TestEvents(t *testing.T) {
	events := func(ctx context.Context, in text) iter.Seq2[runtime.Event[word], error] {
		return func(yield func(runtime.Event[word], error) bool) {
			switch in.Text {
			case "bad":
				yield(runtime.Event[word]{ID: "a\nb"}, nil)
				return
			case "bare": // 3000 milliseconds were meant
				yield(runtime.Event[word]{Retry: 3000}, nil)
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
		s.post("/events", `{"text":"bare"}`).want(t, 500, masked)
	})
}

// A status without a body drops the chunks, and the stream is complete.
func TestStreamWithoutBody(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		app := newApp("Silent", settings(func(c *config.Config) { c.HTTP.H2C = true }))
		runtime.HandleEvents(app, "events", func(ctx context.Context, in struct{ Status int }) iter.Seq2[runtime.Event[string], error] {
			return func(yield func(runtime.Event[string], error) bool) {
				runtime.ResponseFrom(ctx).SetStatus(in.Status)
				for range 3 {
					if !yield(runtime.Event[string]{Data: "a"}, nil) {
						return
					}
					time.Sleep(25 * time.Second)
				}
			}
		}, runtime.Heartbeat(10*time.Second), runtime.DoneEvent("[DONE]"))
		s := host.start(t, app)
		for _, status := range []int{http.StatusNoContent, http.StatusResetContent, http.StatusNotModified} {
			s.post("/events", fmt.Sprintf(`{"Status":%d}`, status)).want(t, status, "")
		}
		check.Equal(t, s.samples("stream_ended", " 3.0")+s.samples("stream_chunks")+s.samples("stream_io"), `ekiben_stream_ended_total{method_name="events",reason="completed"} 3.0
ekiben_stream_chunks_total{method_name="events"} 9.0
ekiben_stream_io_bytes_total{method_name="events"} 0.0
`)
	})
}

type line string

// A nil sequence is an error of the function.
func TestNilSequence(t *testing.T) {
	log, logger := textLog(slog.LevelError)
	app := newApp("Nil", logger)
	api := runtime.HandleStream(app, "nothing", func(context.Context, struct{}) iter.Seq2[int, error] { return nil })
	direct(t, app).post("/nothing", "{}").want(t, 500, masked)
	check.Contains(t, log.String(), `error="the function returned a nil sequence"`)
	for _, err := range api.Call(t.Context(), struct{}{}) {
		check.Error(t, err, "the function returned a nil sequence")
	}
}

// A function that goes on after its error panics. The error is logged too.
func TestStreamGoesOn(t *testing.T) {
	goesOn := func(_ context.Context, in text) iter.Seq2[word, error] {
		return func(yield func(word, error) bool) {
			_, failed := strings.CutPrefix(in.Text, "fail")
			if failed {
				yield(word{}, runtime.Errorf(http.StatusGone, "no more"))
			}
			yield(word{Word: in.Text + "\xff"}, nil)
			yield(word{}, nil)
		}
	}
	log, logger := textLog(slog.LevelError)
	app := newApp("Sloppy", logger)
	inner := runtime.HandleStream(app.AddService("Inner"), "inner", goesOn)
	runtime.HandleStream(app, "one", goesOn)
	runtime.HandleStream(app, "two", func(ctx context.Context, in text) iter.Seq2[word, error] { return inner.Call(ctx, in) })
	s := direct(t, app)
	for _, row := range []struct{ path, text, want string }{
		{"/one", "fail", "the function went on after its stream had ended: 410 Gone: no more"},
		{"/one", "a", "the function went on after its stream had ended: jsontext: invalid UTF-8"},
		{"/two", "fail", "the function went on after its stream had ended: 410 Gone: no more"},
	} {
		log.reset()
		s.post(row.path, `{"text":"`+row.text+`"}`).want(t, 500, masked)
		check.Contains(t, log.String(), row.want)
	}
}

// Options of streams are errors where they have no effect.
func TestStreamOptions(t *testing.T) {
	app := newApp("Wrong")
	runtime.Handle(app, "one", func(context.Context, struct{}) (int, error) { return 0, nil }, runtime.NDJSON(), runtime.Heartbeat(1))
	runtime.HandleStream(app, "two", words, runtime.DoneEvent("x"), runtime.ErrorEvent("x"), runtime.NDJSON())
	runtime.HandleEvents(app, "three", func(context.Context, struct{}) iter.Seq2[runtime.Event[int], error] { return nil },
		runtime.NDJSON(), runtime.Heartbeat(-1), runtime.ErrorEvent("a\nb"))
	runtime.HandleEvents(app, "six", func(context.Context, struct{}) iter.Seq2[runtime.Event[int], error] { return nil }, runtime.Heartbeat(15))
	runtime.HandleStream[text, string](app, "four", nil)
	runtime.HandleStream(app, "named", func(context.Context, text) iter.Seq2[line, error] { return nil }, runtime.NDJSON())
	runtime.HandleStream(app, "event", func(context.Context, text) iter.Seq2[runtime.Event[int], error] { return nil })
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
		`service "Wrong": API "three": runtime.Heartbeat: must be 0 or at least 1ms, such as 5*time.Second, found -1ns`,
		`service "Wrong": API "three": runtime.ErrorEvent: the name of an event must not contain a line break or NUL, found "a\nb"`,
		`service "Wrong": API "six": runtime.Heartbeat: must be 0 or at least 1ms, such as 5*time.Second, found 15ns`,
		`service "Wrong": API "four": function: must not be nil`,
		`service "Wrong": API "named": runtime.NDJSON: needs chunks that are sent as JSON, found runtime_test.line`,
		`service "Wrong": API "event": output: runtime.Event[int] is sent as an event only with runtime.HandleEvents`,
	}
	if len(got) != len(want)+1 || !slices.Equal(got[:len(want)], want) {
		t.Errorf("got\n%s", err)
	}
}

// The documents describe a stream by its chunks, as BentoML's do. In /schema.json an event is
// a string, because BentoML's client would decode the whole event as JSON.
func TestStreamDocuments(t *testing.T) {
	app := streams()
	runtime.HandleEvents(app, "events", func(context.Context, struct{}) iter.Seq2[runtime.Event[int], error] { return nil })
	s := direct(t, app)
	schema, docs := s.do("GET", "/schema.json", "").body, s.do("GET", "/docs.json", "").body
	for _, part := range []string{
		`"output":{"type":"string","is_stream":true,"media_type":"text/event-stream"}`,
		`"required":["word","index"],"is_stream":true,"media_type":"text/event-stream"}`,
		`"is_stream":true,"media_type":"application/x-ndjson"}`,
		`"output":{"type":"string","format":"binary","is_stream":true,"media_type":"application/octet-stream"}`,
		`"route":"/events","batchable":false,"input":{"type":"object","properties":{},"title":"Input"},"output":{"type":"string","is_stream":true,"media_type":"text/event-stream"}`,
	} {
		if !strings.Contains(schema, part) {
			t.Errorf("/schema.json lacks %s", part)
		}
	}
	for _, chunk := range []string{"string", "integer"} {
		if part := `"200":{"description":"Successful Response","content":{"text/event-stream":{"schema":{"type":"` + chunk; !strings.Contains(docs, part) || strings.Contains(docs, "is_stream") {
			t.Errorf("/docs.json lacks %s", part)
		}
	}
}
