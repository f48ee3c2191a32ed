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

// The line of each format for the same request; times and addresses aside. Ours
// have the id that the client was sent.
func TestAccessLog(t *testing.T) {
	for format, want := range map[string]string{
		"text":    `^time=\S+ level=INFO msg=request method=POST path=/hi status=200 duration_ms=[\d.]+ request_type=application/json request_bytes=2 response_type="text/plain; charset=utf-8" response_bytes=5 client=192\.0\.2\.1:1234 request_id=ID\n$`,
		"json":    `^\{"time":"[^"]+","level":"INFO","msg":"request","method":"POST","path":"/hi","status":200,"duration_ms":[\d.e-]+,"request_type":"application/json","request_bytes":2,"response_type":"text/plain; charset=utf-8","response_bytes":5,"client":"192\.0\.2\.1:1234","request_id":"ID"\}\n$`,
		"bentoml": `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} \[INFO\] \[entry_service:Logged:1\] 192\.0\.2\.1:1234 \(scheme=http,method=POST,path=/hi,type=application/json,length=2\) \(status=200,type=text/plain; charset=utf-8,length=5\) \d+\.\d{3}ms\n$`,
	} {
		t.Run(format, func(t *testing.T) {
			var out bytes.Buffer
			svc := NewService("Logged")
			Handle(svc, "hi", func(context.Context, struct{}) (string, error) { return "hello", nil })
			cfg := config.Default()
			cfg.Logging.Format = format
			rt, err := New(svc, WithConfig(cfg), WithLogger(slog.New(newLogHandler(&out, cfg.Logging, slog.LevelInfo, "Logged"))))
			if err != nil {
				t.Fatal(err)
			}
			id := ""
			for _, path := range []string{"/livez", "/readyz", "/healthz", "/metrics", "/hi"} {
				req := httptest.NewRequest("POST", path, strings.NewReader("{}"))
				req.Header.Set("Content-Type", "application/json")
				answer := httptest.NewRecorder()
				rt.ServeHTTP(answer, req)
				id = answer.Header().Get("X-BentoML-Request-ID")
			}
			want := strings.Replace(want, "ID", id, 1)
			if got := out.String(); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if err := rt.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A client cannot write lines of its own into the log.
func TestBentoMLLogIsOneLine(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(newLogHandler(&out, config.Logging{Format: "bentoml"}, slog.LevelInfo, "Logged"))
	logger.With("a", 1).WithGroup("g").Warn("said "+oneLine("x\ny\xff"), "error", "two\nlines", "plain", 3)
	want := `^\S+ \[WARNING\] \[entry_service:Logged:1\] said x` + "\uFFFD" + "y\uFFFD" + ` a=1 g\.error="two\\nlines" g\.plain=3\n$`
	if got := out.String(); !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("got %q, want %s", got, want)
	}
}
