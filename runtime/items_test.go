package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
)

// What fails of a list has its place in the log, with its own text, and in the
// answer, with what the client of that item alone would be told.
func TestFailedItems(t *testing.T) {
	fails := func(in string) error {
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
	svc := runtime.NewService("Encoder")
	runtime.HandleBatch(svc, "encode", func(_ context.Context, in []string) ([]int, error) {
		errs := make(batcher.Errors, len(in))
		for i, text := range in {
			errs[i] = fails(text)
		}
		return make([]int, len(in)), errs
	}, batcher.Config{Retryable: true, MaxBatchSize: 32})
	var log logBuffer
	s := serve(t, svc, runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	text := strings.TrimSuffix(strings.TrimPrefix(masked, `{"error":"`), `"}`)
	for _, test := range []struct {
		items  string
		status int
		says   string
		places map[int]string // what detail says of them; nil: there is none
		logged string
	}{
		{`"secret"`, 500, text, nil, `error="a secret"`},
		{`["secret"]`, 500, text, nil, `error="a secret"`},
		{`["a","secret"]`, 500, text, map[int]string{1: text}, `error="items[1]: a secret"`},
		{`["gone","a","secret 2","secret 3"]`, 500, text, map[int]string{0: "gone", 2: text, 3: text}, `error="items[0]: 410 Gone: gone; items[2]: a secret 2; items[3]: a secret 3"`},
		{`"cancelled"`, 500, text, nil, `error="context canceled"`},
		{`["a","cancelled","secret"]`, 500, text, map[int]string{1: text, 2: text}, `error="items[1]: context canceled; items[2]: a secret"`},
		{`"down"`, 503, "the model loads", nil, `error="503 Service Unavailable: the model loads: a secret path"`},
		{`["a","down"]`, 503, "the model loads", map[int]string{1: "the model loads"}, `items[1]: 503 Service Unavailable: the model loads: a secret path"`},
		{`["a","panic"]`, 500, text, map[int]string{1: text}, `error="items[1]: panic: a secret state" stack="`},
		{`["a"` + strings.Repeat(`,"secret"`, 12) + `]`, 500, text, map[int]string{1: text, 2: text, 3: text, 4: text, 5: text, 6: text, 7: text, 8: text, 9: text, 10: text, 11: text, 12: text}, `; items[10]: a secret; and 2 more"`},
	} {
		before := len(log.String())
		got := s.post("/encode", `{"items":`+test.items+`}`)
		want := fmt.Sprintf(`{"error":%q`, test.says)
		var detail []string
		for i := range 13 {
			if says, ok := test.places[i]; ok {
				detail = append(detail, fmt.Sprintf(`{"type":"item_error","loc":["items",%d],"msg":%q}`, i, says))
			}
		}
		if detail != nil {
			want += `,"detail":[` + strings.Join(detail, ",") + `]`
		}
		got.want(t, test.status, want+"}")
		if after := got.header.Get("Retry-After"); (after == "1") != (test.status == 503) {
			t.Errorf("%s: Retry-After: %q", test.items, after)
		}
		if logged := log.String()[before:]; !strings.Contains(logged, test.logged) {
			t.Errorf("%s: the log lacks %s:\n%s", test.items, test.logged, logged)
		}
	}
}
