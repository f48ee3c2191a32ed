package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	goruntime "runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// caller makes the context of a call in process. A nil caller waits.
type caller func(*testing.T) context.Context

func (c caller) context(t *testing.T) context.Context {
	if c == nil {
		return t.Context()
	}
	return c(t)
}

// within is a caller with a deadline.
func within(d time.Duration) caller {
	return func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		t.Cleanup(cancel)
		return ctx
	}
}

// leaves is a caller that leaves after d.
func leaves(d time.Duration) caller {
	return func(t *testing.T) context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(d, cancel)
		return ctx
	}
}

// fails is a function that fails with err.
func fails(err error) func(context.Context, text) (string, error) {
	return func(context.Context, text) (string, error) { return "", err }
}

// A call in process returns the result of the same request over HTTP, and is counted
// with the same status.
func TestCall(t *testing.T) {
	echo := func(_ context.Context, in text) (string, error) { return in.Text, nil }
	heeds := func(ctx context.Context, _ text) (string, error) { <-ctx.Done(); return "", ctx.Err() }
	ignores := func(context.Context, text) (string, error) { time.Sleep(time.Hour); return "late", nil }
	const late, canceled = "504 Gateway Timeout: Not able to process the request in ", "context canceled"
	for name, test := range map[string]struct {
		fn      func(context.Context, text) (string, error)
		caller  caller
		timeout time.Duration // of the API
		want    string        // the result or the error
		counted int
		took    time.Duration
	}{
		"success":                         {fn: echo, timeout: time.Minute, want: "a", counted: 200},
		"success without a timeout":       {fn: echo, want: "a", counted: 200},
		"its own error":                   {fn: fails(runtime.Errorf(http.StatusTeapot, "no coffee")), timeout: time.Minute, want: "418 I'm a teapot: no coffee", counted: 418},
		"any other error":                 {fn: fails(errors.New("boom")), want: "boom", counted: 500},
		"panic":                           {fn: func(context.Context, text) (string, error) { panic("boom") }, timeout: time.Minute, want: "panic: boom", counted: 500},
		"end of its goroutine":            {fn: func(context.Context, text) (string, error) { goruntime.Goexit(); return "", nil }, timeout: time.Minute, want: "the function called runtime.Goexit and returned no result", counted: 500},
		"timeout, heeded":                 {fn: heeds, timeout: 2 * time.Second, want: late + "2 seconds", counted: 504, took: 2 * time.Second},
		"timeout, ignored":                {fn: ignores, timeout: 2 * time.Second, want: late + "2 seconds", counted: 504, took: 2 * time.Second},
		"deadline that has passed":        {fn: heeds, caller: within(0), timeout: 2 * time.Second, want: late + "0 seconds", counted: 504},
		"nearer deadline of the caller":   {fn: ignores, caller: within(500 * time.Millisecond), timeout: 2 * time.Second, want: late + "0.5 seconds", counted: 504, took: 500 * time.Millisecond},
		"the caller's deadline alone":     {fn: ignores, caller: within(500 * time.Millisecond), want: late + "0.5 seconds", counted: 504, took: 500 * time.Millisecond},
		"farther deadline of the caller":  {fn: heeds, caller: within(time.Hour), timeout: 2 * time.Second, want: late + "2 seconds", counted: 504, took: 2 * time.Second},
		"the caller leaves, heeded":       {fn: heeds, caller: leaves(time.Second), timeout: time.Minute, want: canceled, counted: 499, took: time.Second},
		"the caller leaves, ignored":      {fn: ignores, caller: leaves(time.Second), timeout: time.Minute, want: canceled, counted: 499, took: time.Second},
		"the caller leaves, no timeout":   {fn: heeds, caller: leaves(time.Second), want: canceled, counted: 499, took: time.Second},
		"cancellation of the fn's making": {fn: fails(context.Canceled), timeout: time.Minute, want: canceled, counted: 500},
		"deadline of the fn's making":     {fn: fails(context.DeadlineExceeded), timeout: time.Minute, want: "context deadline exceeded", counted: 500},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newApp("Front", settings(func(c *config.Config) { c.Metrics.ClientClosed = 499 }))
				runtime.Handle(app, "other", length)
				api := runtime.Handle(app.AddService("Below"), "fn", test.fn, runtime.Timeout(test.timeout))
				h := handler(t, app)
				defer time.Sleep(2 * time.Hour) // until functions that ignore their context have returned
				start := time.Now()
				got, err := api.Call(test.caller.context(t), text{Text: "a"})
				check.Equal(t, time.Since(start), test.took)
				if err != nil {
					got = err.Error()
				}
				check.Equal(t, got, test.want)
				var typed *runtime.Error
				if is504 := errors.As(err, &typed) && typed.Status == 504; is504 != strings.HasPrefix(test.want, late) {
					t.Errorf("got a %T", err)
				}
				want := fmt.Sprintf("bentoml_service_request_total{endpoint=\"/fn\",http_response_code=\"%d\",runner_name=\"Below\",service_name=\"Front\",service_version=\"not available\"} 1.0\n", test.counted)
				check.Contains(t, call(h, "GET", "/metrics", ""), want)
			})
		})
	}
}

// Before the app runs, a call is an error. Without a free slot it is a 429.
func TestCallRefused(t *testing.T) { synctest.Test(t, refusedCalls) }

func refusedCalls(t *testing.T) {
	g := newGate()
	app := newApp("Front")
	runtime.Handle(app, "other", length)
	below := app.AddService("Below")
	api := runtime.Handle(below, "wait", g.wait, runtime.MaxConcurrency(1))
	_, err := runtime.Handle(below, "length", length).Call(t.Context(), text{})
	check.Error(t, err, `service "Below": API "length": called before the app runs; call it after App.Run or App.Handler`)
	handler(t, app)
	first := make(chan error, 1)
	go func() {
		_, err := api.Call(t.Context(), text{})
		first <- err
	}()
	<-g.entered
	_, err = api.Call(t.Context(), text{})
	for range 2 {
		refused := (*runtime.Error)(nil)
		if want := "429 Too Many Requests: Too many requests"; !errors.As(err, &refused) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
			break
		}
		refused.Message = "mine" // the next error is another one
		_, err = api.Call(t.Context(), text{})
	}
	close(g.release)
	check.OK(t, <-first)
}

// The timeout of a request applies to its calls, and its response names that timeout.
// The status of a call depends on what ended it: the timeout of the request, or its
// client.
func TestCallWithinARequest(t *testing.T) {
	for name, test := range map[string]struct {
		leave  time.Duration // time after which the client leaves; 0: it waits
		body   string
		status int // of the call
	}{
		"timeout":       {0, `{"error":"Not able to process the request in 2 seconds"}`, 504},
		"client leaves": {time.Second, "", 499},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newApp("Front", settings(func(c *config.Config) { c.Metrics.ClientClosed = 499 }))
				below := runtime.Handle(app.AddService("Below"), "below", func(ctx context.Context, _ text) (string, error) {
					<-ctx.Done()
					return "", ctx.Err()
				}, runtime.Timeout(time.Hour))
				runtime.Handle(app, "front", func(ctx context.Context, in text) (string, error) { return below.Call(ctx, in) }, runtime.Timeout(2*time.Second))
				s := servePipe(t, app)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.leave > 0 {
					time.AfterFunc(test.leave, cancel)
				}
				req := check.Value(http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/front", strings.NewReader("{}")))(t)
				res, err := s.http.Do(req)
				if err == nil {
					check.Equal(t, readAll(t, res), test.body)
					_ = res.Body.Close()
				} else if test.leave == 0 {
					t.Error(err)
				}
				synctest.Wait()
				want := fmt.Sprintf("bentoml_service_request_total{endpoint=\"/below\",http_response_code=\"%d\"} 1.0\n", test.status)
				check.Equal(t, s.samples("bentoml_service_request_total", "/below", "} 1.0"), want)
			})
		})
	}
}

// A function that outlives the 504 of its call is counted while it runs.
func TestOverdueCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Front")
		slow := runtime.Handle(app.AddService("Below"), "slow", func(context.Context, struct{}) (string, error) { time.Sleep(time.Minute); return "", nil }, runtime.Timeout(time.Second))
		runtime.Handle(app, "slow", slow.Call)
		h := handler(t, app)
		call(h, "POST", "/slow", "{}")
		if got := samplesOf(h, "ekiben_http_overdue"); !strings.HasSuffix(got, " 1.0\n") {
			t.Errorf("got %s", got)
		}
		time.Sleep(time.Hour)
		if got := samplesOf(h, "ekiben_http_overdue"); !strings.HasSuffix(got, " 0.0\n") {
			t.Errorf("then %s", got)
		}
	})
}

// The log of a request names the API whose call failed, the innermost one, also if a batch
// function called it. It has the refusal of a called API, but no error that is meant for
// the client.
func TestFailuresOfCalls(t *testing.T) {
	for name, test := range map[string]struct {
		fn      func(context.Context, string) (string, error)
		opts    []runtime.APIOption
		ignored bool   // Front returns an error of its own
		want    string // a part of the line; "": no line
	}{
		"timeout":        {fn: func(context.Context, string) (string, error) { time.Sleep(time.Minute); return "", nil }, opts: []runtime.APIOption{runtime.Timeout(time.Second)}, want: `level=WARN msg="request failed" service=Front api=API error="504 Gateway Timeout: Not able to process the request in 1 seconds"`},
		"panic":          {fn: func(context.Context, string) (string, error) { panic("boom") }, want: `level=ERROR msg="request failed" service=Front api=API error="panic: boom" stack=`},
		"plain error":    {fn: func(context.Context, string) (string, error) { return "", errors.New("boom") }, want: `level=ERROR msg="request failed" service=Front api=API error=boom called=`},
		"another error":  {fn: func(context.Context, string) (string, error) { return "", errors.New("boom") }, ignored: true, want: `level=ERROR msg="request failed" service=Front api=API error=other request_id=`},
		"no slot":        {fn: func(context.Context, string) (string, error) { return "", runtime.Errorf(429, "Too many requests") }, want: `level=WARN msg="request failed" service=Front api=API error="429 Too Many Requests: Too many requests" called=`},
		"for the client": {fn: func(context.Context, string) (string, error) { return "", runtime.Errorf(404, "no model") }},
	} {
		for _, api := range []string{"one", "many", "deep"} {
			t.Run(name+", "+api, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					log, logger := textLog(slog.LevelWarn)
					app := newApp("Front", logger)
					below := runtime.Handle(app.AddService("Below"), "fn", test.fn, test.opts...)
					pass := func(ctx context.Context, in string) (string, error) {
						out, err := below.Call(ctx, in)
						if test.ignored {
							err = errors.New("other")
						}
						return out, err
					}
					between := runtime.Handle(app.AddService("Between"), "between", pass)
					runtime.Handle(app, "one", pass)
					runtime.Handle(app, "deep", between.Call)
					runtime.HandleBatch(app, "many", func(ctx context.Context, in []string) ([]string, error) {
						out, err := pass(ctx, in[0])
						return []string{out}, err
					})
					want, body := strings.Replace(test.want, "API", api, 1), "{}"
					if api == "many" {
						body = `{"items":["a"]}`
					}
					if api == "deep" && test.ignored {
						want = strings.Replace(want, "request_id", "called=Between/between request_id", 1)
					}
					call(handler(t, app), "POST", "/"+api, body)
					got := log.String()
					if strings.Count(got, "request failed") != min(len(want), 1) || !strings.Contains(got, want) || strings.Contains(got, "called=Below/fn ") != (want != "" && !test.ignored) {
						t.Errorf("got %s\nwant %s", got, want)
					}
					time.Sleep(time.Hour) // until the function has returned
				})
			})
		}
	}
}

// A request keeps the latest of its failed calls only.
func TestManyFailedCalls(t *testing.T) {
	log, logger := textLog(slog.LevelWarn)
	app := newApp("Front", logger)
	n := 0
	below := runtime.Handle(app.AddService("Below"), "fn", func(context.Context, struct{}) (string, error) { n++; return "", fmt.Errorf("failure %d", n) })
	runtime.Handle(app, "retries", func(ctx context.Context, in struct{}) (out string, err error) {
		for range 100 {
			out, err = below.Call(ctx, in)
		}
		return out, err
	})
	call(handler(t, app), "POST", "/retries", "{}")
	check.Contains(t, log.String(), `error="failure 100" called=Below/fn`)
}

// A call in process is counted also if its function ends the goroutine.
func TestGoexitInACall(t *testing.T) {
	app := newApp("Front", traffic(0, 0))
	runtime.Handle(app, "f", func(context.Context, struct{}) (string, error) { return "", nil })
	other := runtime.Handle(app.AddService("Other"), "g", func(context.Context, struct{}) (string, error) { goruntime.Goexit(); return "", nil })
	h := handler(t, app)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = other.Call(context.Background(), struct{}{})
	}()
	<-done
	for family, want := range map[string]string{"in_progress{": " 0.0\n", "request_total{": " 1.0\n"} {
		if got := samplesOf(h, family, `"Other"`); !strings.HasSuffix(strings.ReplaceAll(got, `"200"} 0.0`+"\n", ""), want) {
			t.Errorf("got %s", got)
		}
	}
}

// fields is an error that cannot be compared.
type fields struct{ value any }

func (fields) Error() string { return "secret" }

// An error of a call that cannot be compared is an error like any other.
func TestErrorThatCannotBeCompared(t *testing.T) {
	app := newApp("Front")
	below := runtime.Handle(app.AddService("Below"), "fn", func(context.Context, text) (string, error) {
		return "", fields{map[string]int{}}
	})
	runtime.Handle(app, "as_it_is", below.Call)
	runtime.Handle(app, "wrapped", func(ctx context.Context, in text) (string, error) {
		_, err := below.Call(ctx, in)
		return "", &runtime.Error{Status: http.StatusNotFound, Message: "no", Err: err}
	})
	s := direct(t, app)
	s.post("/as_it_is", "{}").want(t, 500, masked)
	s.post("/wrapped", "{}").want(t, 404, `{"error":"no"}`)
}
