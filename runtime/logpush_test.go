package runtime_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	logpb "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// logTo is a logger that writes JSON of a level.
func logTo(w io.Writer, level slog.Level) runtime.Option {
	return runtime.WithLogger(slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})))
}

// pushLogs are settings that push log lines, and spans, to a collector.
func pushLogs(url config.URL, change func(*config.Config)) runtime.Option {
	return settings(func(c *config.Config) {
		c.OTLP.Logs.Endpoint = config.NewURL(url.Reveal() + "/v1/logs")
		c.OTLP.Timeout, c.OTLP.Retry.Enabled = time.Minute, false
		if change != nil {
			change(c)
		}
	})
}

// pushedLines returns the log lines that a collector got.
func (c *collector) pushedLines() (all []*logpb.LogRecord) {
	for len(c.logs) > 0 {
		for _, resource := range (<-c.logs).GetResourceLogs() {
			for _, scope := range resource.GetScopeLogs() {
				all = append(all, scope.GetLogRecords()...)
			}
		}
	}
	return all
}

// shown returns a line with its attributes, as name=value.
func shown(line *logpb.LogRecord) (message string, attrs map[string]string) {
	attrs = map[string]string{}
	for _, a := range line.GetAttributes() {
		attrs[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return line.GetBody().GetStringValue(), attrs
}

// The collector gets the app's lines until the last one. Those of a request have the ids of its
// span, and its request id. A line below the level of the log is not pushed.
func TestLogsArePushed(t *testing.T) {
	remote, url := collect(t, 0)
	app := runtime.New("Shouter", logTo(io.Discard, slog.LevelInfo), pushLogs(url, func(c *config.Config) {
		c.Tracing.Enabled, c.Tracing.SampleRate, c.OTLP.Traces.Endpoint = true, 1, config.NewURL(url.Reveal()+"/v1/traces")
		c.Logging.AccessLog.Enabled = true
	}))
	runtime.Handle(app, "shout", func(ctx context.Context, in text) (string, error) {
		runtime.Logger(ctx).WithGroup("of").Info("inside", "text", in.Text)
		runtime.Logger(ctx).Debug("too fine")
		return "", errors.New("out of paper")
	})
	f := serve(t, app)
	res := f.do("POST", "/shout", `{"text":"a"}`)
	check.Must(t, f.end())
	span := (<-remote.traces).GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0]
	want := map[string]slog.Level{"request": slog.LevelInfo, "request failed": slog.LevelError, "inside": slog.LevelInfo}
	var last string
	for _, line := range remote.pushedLines() {
		message, attrs := shown(line)
		last = message
		if message == "too fine" {
			t.Error("a line below the level was pushed")
		}
		level, ok := want[message]
		if !ok {
			continue
		}
		delete(want, message)
		check.Equal(t, hex.EncodeToString(line.GetTraceId())+" "+hex.EncodeToString(line.GetSpanId()), hex.EncodeToString(span.GetTraceId())+" "+hex.EncodeToString(span.GetSpanId()))
		check.Equal(t, attrs["request_id"], res.header.Get("X-Bentoml-Request-Id"))
		check.Equal(t, line.GetSeverityText(), level.String())
	}
	if len(want) > 0 || last != "stopped" {
		t.Errorf("missing %v, last %q", want, last)
	}
}

// A collector that hangs or refuses costs lines, which are counted. Requests do not wait. The
// errors of the push are in the log and are not pushed.
func TestLogsAreBounded(t *testing.T) {
	const lines, most = 3000, 2048
	for name, least := range map[string]int{"hangs": lines - most, "refuses": lines} {
		t.Run(name, func(t *testing.T) {
			log := &logged{part: "log lines", lines: make(chan string, 100)}
			remote, url := collect(t, http.StatusForbidden)
			if name == "hangs" {
				url = config.NewURL(accepting(t, nil))
			}
			app := runtime.New("Shouter", logTo(log, slog.LevelInfo), pushLogs(url, nil))
			runtime.Handle(app, "shout", func(ctx context.Context, _ text) (string, error) {
				for range lines {
					runtime.Logger(ctx).Info("line")
				}
				return "", nil
			})
			h := check.Value(app.Handler())(t)
			call(h, "POST", "/shout", "{}")
			lost := 0
			for late := time.Now().Add(patience); lost < least && time.Now().Before(late); time.Sleep(time.Millisecond) {
				_, number, _ := strings.Cut(samplesOf(h, "ekiben_otlp_dropped"), "} ")
				_, _ = fmt.Sscanf(number, "%d", &lost)
			}
			if lost < least || lost > least+5 { // the app has lines of its own
				t.Errorf("%d lines were lost, want %d", lost, least)
			}
			check.OK(t, app.Shutdown(t.Context()))
			for _, line := range remote.pushedLines() {
				if message, _ := shown(line); strings.Contains(message, log.part) {
					t.Errorf("pushed: %s", message)
				}
			}
			if len(log.lines) == 0 {
				t.Error("the log does not say that lines cannot be pushed")
			}
		})
	}
}
