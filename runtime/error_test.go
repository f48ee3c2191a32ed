package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
)

// Errorf wraps errors like fmt.Errorf: none, one, or several.
func TestErrorf(t *testing.T) {
	for _, test := range []struct {
		err  *runtime.Error
		text string
		is   []error
	}{
		{runtime.Errorf(404, "no model %q", "x"), `404 Not Found: no model "x"`, nil},
		{runtime.Errorf(409, "read: %w", io.EOF), "409 Conflict: read: EOF", []error{io.EOF}},
		{runtime.Errorf(500, "%w and %w", io.EOF, fs.ErrNotExist), "500 Internal Server Error: EOF and file does not exist", []error{io.EOF, fs.ErrNotExist}},
		{runtime.Errorf(500, "%w, %w, %w", io.EOF, fs.ErrExist, fmt.Errorf("below: %w", fs.ErrClosed)), "500 Internal Server Error: EOF, file already exists, below: file already closed", []error{io.EOF, fs.ErrExist, fs.ErrClosed}},
	} {
		check.Equal(t, test.err.Error(), test.text)
		for _, target := range []error{io.EOF, fs.ErrNotExist, fs.ErrExist, fs.ErrClosed} {
			if errors.Is(test.err, target) != slices.Contains(test.is, target) {
				t.Errorf("%s: errors.Is %v is %v", test.text, target, errors.Is(test.err, target))
			}
		}
	}
}

// Each error has the expected response and log lines.
func TestErrors(t *testing.T) {
	cause := errors.New("a secret")
	log, logger := textLog(slog.LevelInfo)
	app := newApp("Failing", logger)
	var failure error
	runtime.Handle(app, "fail", func(context.Context, struct{}) (string, error) { return "", failure })
	s := direct(t, app)
	for name, test := range map[string]struct {
		err    error
		status int
		body   string // a prefix
		after  string // Retry-After
		logged string // level and error; "": nothing
	}{
		"plain":     {cause, 500, masked, "", `level=ERROR error="a secret"`},
		"cancelled": {context.Canceled, 500, masked, "", `level=ERROR error="context canceled"`},
		"deadline":  {context.DeadlineExceeded, 500, masked, "", `level=ERROR error="context deadline exceeded"`},
		"client":    {runtime.Errorf(404, "no model"), 404, `{"error":"no model"}`, "", ""},
		"wrapped":   {fmt.Errorf("outer: %w", runtime.Errorf(404, "no model")), 404, `{"error":"no model"}`, "", ""},
		"cause":     {&runtime.Error{Status: 422, Message: "bad image", Err: cause}, 422, `{"error":"bad image"}`, "", ""},
		"warm-up":   {&runtime.Error{Status: 503, Message: "the model loads", RetryAfter: 1500 * time.Millisecond, Err: cause}, 503, `{"error":"the model loads"}`, "2", `level=WARN error="503 Service Unavailable: the model loads: a secret"`},
		"busy":      {runtime.Errorf(503, "busy"), 503, `{"error":"busy"}`, "", ""},
		"own 500":   {&runtime.Error{Status: 500, Message: "failed", Err: cause}, 500, `{"error":"failed"}`, "", `level=ERROR error="500 Internal Server Error: failed: a secret"`},
		"status":    {&runtime.Error{Status: 202, Message: "accepted"}, 500, masked, "", `level=ERROR error="202 Accepted: accepted (the status of a runtime.Error must be 400 to 599, found 202)"`},
		"zero":      {&runtime.Error{Message: "no status"}, 500, masked, "", `level=ERROR error="0 : no status (the status of a runtime.Error must be 400 to 599, found 0)"`},
		"nil":       {(*runtime.Error)(nil), 500, masked, "", `level=ERROR error="a nil *runtime.Error"`},
		"detail":    {&runtime.Error{Status: 409, Message: "taken", Detail: map[string]int{"by": 1}}, 409, `{"error":"taken","detail":{"by":1}}`, "", ""},
		"channel":   {&runtime.Error{Status: 409, Message: "taken", Detail: make(chan int)}, 409, `{"error":"taken"}`, "", `level=WARN error="the Detail of a runtime.Error was not sent: json: cannot marshal from Go chan int within \"/detail\""`},
		"invalid":   {&runtime.Error{Status: 409, Message: "\xff"}, 409, "{\"error\":\"\uFFFD\"}", "", ""},
	} {
		log.reset()
		failure = test.err
		got := s.post("/fail", "{}")
		if got.status != test.status || !strings.HasPrefix(got.body, test.body) || got.header.Get("Retry-After") != test.after {
			t.Errorf("%s: got %+v", name, got)
		}
		lines := ""
		for line := range strings.Lines(log.String()) {
			if _, level, failed := strings.Cut(line, " level="); failed && strings.Contains(line, "request failed") {
				level, _, _ := strings.Cut(level, " ")
				_, text, _ := strings.Cut(line, " error=")
				text, _, _ = strings.Cut(text, " request_id=")
				lines += "level=" + level + " error=" + strings.ReplaceAll(text, "unable to marshal", "cannot marshal") // package json has two wordings
			}
		}
		if lines != test.logged {
			t.Errorf("%s: logged %s\nwant %s", name, lines, test.logged)
		}
	}
}

// failItem fails an item as it says.
func failItem(in string) error {
	switch {
	case in == "cancelled":
		return context.Canceled
	case strings.HasPrefix(in, "secret"):
		return errors.New("a " + in)
	case in == "down":
		return &runtime.Error{Status: http.StatusServiceUnavailable, Message: "the model loads", RetryAfter: 1, Err: errors.New("a secret path")}
	case in == "gone":
		return runtime.Errorf(http.StatusGone, "gone")
	case in == "panic":
		panic("a secret state")
	}
	return nil
}

// itemErrors is the body of the response to a batch: its message, and those of items by index.
func itemErrors(says string, places map[int]string) string {
	body := fmt.Sprintf(`{"error":%q`, says)
	var detail []string
	for _, i := range slices.Sorted(maps.Keys(places)) {
		detail = append(detail, fmt.Sprintf(`{"type":"item_error","loc":["items",%d],"msg":%q}`, i, places[i]))
	}
	if detail != nil {
		body += `,"detail":[` + strings.Join(detail, ",") + `]`
	}
	return body + "}"
}

// The failed items of a list are named: in the log with their errors, in the response
// with the messages that single items would get.
func TestFailedItems(t *testing.T) {
	log, logger := textLog(slog.LevelInfo)
	app := newApp("Encoder", logger)
	runtime.HandleBatch(app, "encode", func(_ context.Context, in []string) ([]int, error) {
		errs := make(batcher.Errors, len(in))
		for i, item := range in {
			errs[i] = failItem(item)
		}
		return make([]int, len(in)), errs
	}, runtime.Batching(batcher.Config{Retryable: true, MaxBatchSize: 32}))
	s := direct(t, app)
	says := strings.TrimSuffix(strings.TrimPrefix(masked, `{"error":"`), `"}`)
	twelve := map[int]string{}
	for i := range 12 {
		twelve[i+1] = says
	}
	for _, test := range []struct {
		items  string
		status int
		says   string
		places map[int]string // messages in detail, by index; nil: no detail
		logged string
	}{
		{`"secret"`, 500, says, nil, `error="a secret"`},
		{`["secret"]`, 500, says, nil, `error="a secret"`},
		{`["a","secret"]`, 500, says, map[int]string{1: says}, `error="items[1]: a secret"`},
		{`["gone","a","secret 2","secret 3"]`, 500, says, map[int]string{0: "gone", 2: says, 3: says}, `error="items[0]: 410 Gone: gone; items[2]: a secret 2; items[3]: a secret 3"`},
		{`"cancelled"`, 500, says, nil, `error="context canceled"`},
		{`["a","cancelled","secret"]`, 500, says, map[int]string{1: says, 2: says}, `error="items[1]: context canceled; items[2]: a secret"`},
		{`"down"`, 503, "the model loads", nil, `level=WARN msg="request failed" service=Encoder api=encode error="503 Service Unavailable: the model loads: a secret path"`},
		{`["a","down"]`, 503, "the model loads", map[int]string{1: "the model loads"}, `items[1]: 503 Service Unavailable: the model loads: a secret path"`},
		{`["a","panic"]`, 500, says, map[int]string{1: says}, `error="items[1]: panic: a secret state" stack="`},
		{`["a"` + strings.Repeat(`,"secret"`, 12) + `]`, 500, says, twelve, `; items[10]: a secret; and 2 more"`},
	} {
		before := len(log.String())
		got := s.post("/encode", `{"items":`+test.items+`}`)
		got.want(t, test.status, itemErrors(test.says, test.places))
		if after := got.header.Get("Retry-After"); (after == "1") != (test.status == 503) {
			t.Errorf("%s: Retry-After: %q", test.items, after)
		}
		if logged := log.String()[before:]; !strings.Contains(logged, test.logged) {
			t.Errorf("%s: the log lacks %s:\n%s", test.items, test.logged, logged)
		}
	}
}
