package runtime

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// What Python's format() makes of the same number.
func TestIDFormats(t *testing.T) {
	id := []byte{0, 0, 0, 0, 0, 0xab, 0xcd, 0xef}
	for spec, want := range map[string]string{
		"016x": "0000000000abcdef", "x": "abcdef", "X": "ABCDEF", "d": "11259375", "": "11259375", "12x": "      abcdef", "012X": "000000ABCDEF", "3x": "abcdef",
	} {
		if got := parseIDFormat(spec).format(id); got != want {
			t.Errorf("%s: got %q, want %q", spec, got, want)
		}
	}
}

// Each part of the access line can be left out, and paths have none.
func TestAccessParts(t *testing.T) {
	for format, want := range map[string]string{
		"bentoml": `^\S+ \[INFO\] \[entry_service:Logged:1\] 192\.0\.2\.1:1234 \(scheme=http,method=POST,path=/ml/hi\) \(status=200\) \d+\.\d{3}ms\n$`,
		"text":    `^time=\S+ level=INFO msg=request method=POST path=/ml/hi status=200 duration_ms=[\d.]+ client=192\.0\.2\.1:1234\n$`,
	} {
		var out bytes.Buffer
		svc := NewService("Logged")
		for _, name := range []string{"hi", "hidden"} {
			Handle(svc, name, func(context.Context, struct{}) (string, error) { return "hello", nil })
		}
		cfg := config.Default()
		cfg.HTTP.PathPrefix = "/ml"
		cfg.Logging = config.Logging{Level: "info", Format: format, Access: config.Access{
			Enabled: true, SkipPaths: []string{"/hid", "/ml/schema"}, Format: cfg.Logging.Access.Format,
		}}
		rt, err := New(svc, WithConfig(cfg), WithLogger(slog.New(newLogHandler(&out, cfg.Logging, slog.LevelInfo, "Logged"))))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/ml/hidden", "/ml/schema.json", "/ml/hi"} {
			rt.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", path, strings.NewReader("{}")))
		}
		if got := out.String(); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if err := rt.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
