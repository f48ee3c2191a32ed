package runtime_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A call in process is a sequence. It is counted like a request.
func TestStreamCall(t *testing.T) {
	const late = "504 Gateway Timeout: Not able to process the request in 5 seconds"
	leave := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(1500*time.Millisecond, cancel)
		return ctx, cancel
	}
	deadline := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, 1500*time.Millisecond)
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
		"canceled":            {err: "context canceled", status: "500"}, // by nobody
		"a canceled":          {want: "a ", err: "context canceled", status: "200", reason: "error"},
		"a expired":           {want: "a ", err: "context deadline exceeded", status: "200", reason: "error"},
		"deaf a":              {err: late, status: "504"},
		"pause pause a":       {caller: deadline, err: "504 Gateway Timeout: Not able to process the request in 1.5 seconds", status: "504"},
		"a pause pause":       {caller: deadline, want: "a ", err: "context deadline exceeded", status: "200", reason: "duration"},
		"a deaf b":            {want: "a ", err: "stream cut: no chunk within traffic.stream.idle_timeout, 2s", status: "200", reason: "idle"}, // when it yields
		"a pause pause pause": {want: "a ", err: "stream cut: no chunk within traffic.stream.idle_timeout, 2s", status: "200", reason: "idle"},
		"a pause b pause c":   {caller: leave, want: "a b ", err: "context canceled", status: "200", reason: "disconnect"},
		"a pause b pause c pause d pause e pause f pause g": {want: "a b c d e f ", err: "stream cut: not finished within traffic.stream.max_duration, 5.5s", status: "200", reason: "duration"},
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
