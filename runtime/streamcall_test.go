package runtime_test

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// take takes most chunks of a stream; 0: all.
func take(stream iter.Seq2[string, error], most int) (chunks, failed string) {
	taken := 0
	for chunk, err := range stream {
		chunks += chunk
		if err != nil {
			failed = err.Error()
		}
		if taken++; taken == most {
			break
		}
	}
	return chunks, failed
}

// A call in process is a sequence. It is counted like a request.
func TestStreamCall(t *testing.T) {
	const late, idle = "504 Gateway Timeout: Not able to process the request in ", "stream ended early: no chunk within traffic.stream.idle_timeout, 2s"
	for in, row := range map[string]struct {
		caller    caller
		most      int // chunks that the caller takes; 0: all
		want, err string
		status    string // counted; "": 200
		reason    string // of the end; "": the stream has not begun
	}{
		"a b c":               {want: "a b c ", reason: "completed"},
		"":                    {reason: "completed"},
		"a b":                 {most: 1, want: "a ", reason: "disconnect"},
		"boom":                {err: "secret: boom", status: "500"},
		"gone":                {err: "410 Gone: no more", status: "410"},
		"panic":               {err: "panic: secret: panic", status: "500"},
		"a panic":             {want: "a ", err: "panic: secret: panic", reason: "error"},
		"a boom":              {want: "a ", err: "secret: boom", reason: "error"},
		"canceled":            {err: "context canceled", status: "500"}, // by nobody
		"a canceled":          {want: "a ", err: "context canceled", reason: "error"},
		"a expired":           {want: "a ", err: "context deadline exceeded", reason: "error"},
		"deaf a":              {err: late + "5 seconds", status: "504"},
		"pause pause a":       {caller: within(1500 * time.Millisecond), err: late + "1.5 seconds", status: "504"},
		"a pause pause":       {caller: within(1500 * time.Millisecond), want: "a ", err: "context deadline exceeded", reason: "duration"},
		"a deaf b":            {want: "a ", err: idle, reason: "idle"}, // when it yields
		"a pause pause pause": {want: "a ", err: idle, reason: "idle"},
		"a pause b pause c":   {caller: leaves(1500 * time.Millisecond), want: "a b ", err: "context canceled", reason: "disconnect"},
		"a pause b pause c pause d pause e pause f pause g": {want: "a b c d e f ", err: "stream ended early: not finished within traffic.stream.max_duration, 5.5s", reason: "duration"},
	} {
		t.Run(in, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newApp("Front", settings(func(c *config.Config) {
					c.Traffic.Timeout = 5 * time.Second
					c.Traffic.Stream = config.Stream{IdleTimeout: 2 * time.Second, MaxDuration: 5500 * time.Millisecond}
				}))
				api := runtime.HandleStream(app.AddService("Inner"), "words", words)
				runtime.Handle(app, "one", func(context.Context, struct{}) (int, error) { return 0, nil })
				s := direct(t, app)
				got, failed := take(api.Call(row.caller.context(t), text{in}), row.most)
				check.Equal(t, []string{got, failed}, []string{row.want, row.err})
				check.Contains(t, s.samples("request_total", `"/words"`), `http_response_code="`+cmp.Or(row.status, "200")+`"} 1.0`)
				ended := ""
				if row.reason != "" {
					ended = `ekiben_stream_ended_total{method_name="words",reason="` + row.reason + `"} 1.0` + "\n"
				}
				check.Equal(t, s.samples("stream_ended", " 1.0"), ended)
				check.Equal(t, s.samples("concurrency{", " 1.0")+s.samples("stream_open", " 1.0"), "")
			})
		})
	}
}

// A limit of the whole stream that ends before its first chunk is a timeout, as over HTTP.
func TestStreamCallWithoutAChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Front", settings(func(c *config.Config) { c.Traffic.Stream.MaxDuration = 500 * time.Millisecond }))
		api := runtime.HandleStream(app, "words", words)
		s := direct(t, app)
		for _, err := range api.Call(t.Context(), text{"pause a"}) {
			check.Error(t, err, "504 Gateway Timeout: Not able to process the request in 0.5 seconds")
		}
		check.Contains(t, s.samples("request_total"), `{endpoint="/words",http_response_code="504"} 1.0`)
	})
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

// A panic of the function after its caller has left is logged.
func TestStreamPanicsAfterItsCallerLeft(t *testing.T) {
	var log logBuffer
	app := newApp("Front", runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	api := runtime.HandleStream(app, "deaf", func(context.Context, struct{}) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			yield(1, nil)
			panic("too late")
		}
	})
	direct(t, app)
	for range api.Call(t.Context(), struct{}{}) {
		break
	}
	check.Contains(t, log.String(), `level=ERROR msg="request failed" service=Front api=deaf error="after its caller had left: panic: too late`)
}
