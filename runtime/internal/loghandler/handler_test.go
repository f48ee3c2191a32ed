package loghandler

import (
	"bytes"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

func handler(out *bytes.Buffer, format string) slog.Handler {
	return New(out, config.Logging{Format: format}, slog.LevelInfo, "Front")
}

var layout = regexp.MustCompile(`^(?:(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}) )?\[(\w+)\] \[entry_service:Front:1\] (\w+)((?: [\w.]+=\S+)*)\n$`)

// The handler of BentoML's layout does all that slog requires: groups are written as
// group.name=value.
func TestBentoMLHandler(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return handler(&out, "bentoml")
	}, func(t *testing.T) map[string]any {
		parts := layout.FindStringSubmatch(out.String())
		if parts == nil {
			t.Fatalf("got %q", out.String())
		}
		got := map[string]any{slog.LevelKey: parts[2], slog.MessageKey: parts[3]}
		if parts[1] != "" {
			got[slog.TimeKey] = parts[1]
		}
		for field := range strings.FieldsSeq(parts[4]) {
			path, value, _ := strings.Cut(field, "=")
			names := strings.Split(path, ".")
			group := got
			for _, name := range names[:len(names)-1] {
				if _, there := group[name]; !there {
					group[name] = map[string]any{}
				}
				group = group[name].(map[string]any)
			}
			group[names[len(names)-1]] = value
		}
		return got
	})
}

// In each format, a record is one line; no value can start another line.
func TestFormats(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	for format, want := range map[string]string{
		"text":    `time=2026-01-02T03:04:05.000+01:00 level=WARN msg="odd\r\n\"x\"" a=1 g.error="two\nlines" g.quote="say \"x\\y\"" g.bell="\x1b[2Kx\r" g.plain="é=3" g.empty=""` + "\n",
		"json":    `{"time":"2026-01-02T03:04:05.000000006+01:00","level":"WARN","msg":"odd\r\n\"x\"","a":1,"g":{"error":"two\nlines","quote":"say \"x\\y\"","bell":"\u001b[2Kx\r","plain":"é=3","empty":""}}` + "\n",
		"bentoml": `2026-01-02T03:04:05+0100 [WARNING] [entry_service:Front:1] odd\r\n\"x\" a=1 g.error="two\nlines" g.quote="say \"x\\y\"" g.bell="\x1b[2Kx\r" g.plain=é=3 g.empty=` + "\n",
	} {
		var out bytes.Buffer
		r := slog.NewRecord(at, slog.LevelWarn, "odd\r\n\"x\"", 0)
		r.AddAttrs(slog.Any("error", errors.New("two\nlines")), slog.String("quote", `say "x\y"`), slog.String("bell", "\x1b[2Kx\r"), slog.String("plain", "é=3"), slog.String("empty", ""))
		check.Must(t, handler(&out, format).WithAttrs([]slog.Attr{slog.Int("a", 1)}).WithGroup("g").Handle(t.Context(), r))
		if got := out.String(); got != want {
			t.Errorf("%s: got\n%swant\n%s", format, got, want)
		}
	}
}

// Levels have Python's names. Records below the configured level are not logged.
func TestLevels(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(handler(&out, "bentoml"))
	got := map[slog.Level]string{}
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelWarn + 1, slog.LevelError} {
		out.Reset()
		logger.Log(t.Context(), level, "x")
		_, rest, _ := strings.Cut(out.String(), "[")
		got[level], _, _ = strings.Cut(rest, "]")
	}
	want := map[slog.Level]string{slog.LevelDebug: "", slog.LevelInfo: "INFO", slog.LevelWarn: "WARNING", slog.LevelWarn + 1: "WARNING", slog.LevelError: "ERROR"}
	check.Equal(t, got, want)
}
