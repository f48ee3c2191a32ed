package accesslog

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/loghandler"
)

var span = trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{15: 10}, SpanID: trace.SpanID{7: 11}, TraceFlags: trace.FlagsSampled})

// written returns the line of a request in a format, without its time.
func written(t *testing.T, format string, change func(*Settings, *Line)) string {
	t.Helper()
	var out bytes.Buffer
	cfg := config.Default().Logging
	cfg.Format = format
	request := httptest.NewRequest("POST", "/ml/shout", strings.NewReader("{}"))
	request.Header.Set("Content-Type", "application/json")
	set := &Settings{AccessLog: cfg.AccessLog, PathPrefix: "/ml", IDs: IDs{cfg.AccessLog.Format}}
	line := &Line{
		Request: request, Service: "Front", Route: "/shout", ID: "1234", Status: 200, ResponseType: "text/plain; charset=utf-8", ResponseBytes: 5, Took: 1234567,
	}
	change(set, line)
	line.Path, line.RequestType = line.Request.URL.Path, line.Request.Header.Get("Content-Type")
	New(cfg, slog.New(loghandler.New(&out, cfg, slog.LevelInfo, "Front"))).Write(set, line)
	return regexp.MustCompile(`^(time=\S+|\{"time":"[^"]*",|\S+) ?`).ReplaceAllString(out.String(), "")
}

// Each format has a line for the same request. Parts of the line can be turned off,
// and paths can be skipped.
func TestLines(t *testing.T) {
	short := func(s *Settings, _ *Line) { s.AccessLog = config.AccessLog{Format: s.Format} }
	traced := func(s *Settings, l *Line) {
		short(s, l)
		l.Request = l.Request.WithContext(trace.ContextWithSpanContext(t.Context(), span))
		l.Request.TLS = &tls.ConnectionState{}
	}
	long := func(_ *Settings, l *Line) {
		l.Request.Method, l.Request.URL.Path = "M"+strings.Repeat("x", 1024), "/"+strings.Repeat("x", 1024)
		l.Request.Header.Set("Content-Type", "a"+strings.Repeat("x", 1024))
	}
	cut := strings.Repeat("x", 1023) + "… [1025 bytes]"
	for _, c := range []struct {
		format string
		change func(*Settings, *Line)
		want   string
	}{
		{"text", func(*Settings, *Line) {}, `level=INFO msg=request method=POST path=/ml/shout route=/shout status=200 duration_ms=1.234 request_type=application/json request_bytes=2 response_type="text/plain; charset=utf-8" response_bytes=5 client=192.0.2.1:1234 request_id=1234` + "\n"},
		{"json", func(*Settings, *Line) {}, `"level":"INFO","msg":"request","method":"POST","path":"/ml/shout","route":"/shout","status":200,"duration_ms":1.234,"request_type":"application/json","request_bytes":2,"response_type":"text/plain; charset=utf-8","response_bytes":5,"client":"192.0.2.1:1234","request_id":"1234"}` + "\n"},
		{"bentoml", func(*Settings, *Line) {}, `[INFO] [entry_service:Front:1] 192.0.2.1:1234 (scheme=http,method=POST,path=/ml/shout,type=application/json,length=2) (status=200,type=text/plain; charset=utf-8,length=5) 1.234ms` + "\n"},

		{"text", short, `level=INFO msg=request method=POST path=/ml/shout route=/shout status=200 duration_ms=1.234 client=192.0.2.1:1234 request_id=1234` + "\n"},
		{"bentoml", short, `[INFO] [entry_service:Front:1] 192.0.2.1:1234 (scheme=http,method=POST,path=/ml/shout) (status=200) 1.234ms` + "\n"},

		{"text", traced, `level=INFO msg=request method=POST path=/ml/shout route=/shout status=200 duration_ms=1.234 client=192.0.2.1:1234 request_id=1234 trace_id=0000000000000000000000000000000a span_id=000000000000000b` + "\n"},
		{"bentoml", traced, `[INFO] [entry_service:Front:1] 192.0.2.1:1234 (scheme=https,method=POST,path=/ml/shout) (status=200) 1.234ms (trace=0000000000000000000000000000000a,span=000000000000000b,sampled=1,service.name=Front)` + "\n"},

		{"text", func(s *Settings, l *Line) { short(s, l); l.Status, l.Cut = 0, true }, `level=WARN msg=request method=POST path=/ml/shout route=/shout status=0 duration_ms=1.234 client=192.0.2.1:1234 request_id=1234 cut=true` + "\n"},
		{"bentoml", func(s *Settings, l *Line) { short(s, l); l.Cut = true }, `[WARNING] [entry_service:Front:1] 192.0.2.1:1234 (scheme=http,method=POST,path=/ml/shout) (status=200) 1.234ms cut=true` + "\n"},

		{"text", func(s *Settings, l *Line) { short(s, l); l.Status, l.Refused = 429, "full" }, `level=INFO msg=request method=POST path=/ml/shout route=/shout status=429 duration_ms=1.234 client=192.0.2.1:1234 request_id=1234 reason=full` + "\n"},
		{"bentoml", func(s *Settings, l *Line) { short(s, l); l.Refused = "full" }, `[INFO] [entry_service:Front:1] 192.0.2.1:1234 (scheme=http,method=POST,path=/ml/shout) (status=200) 1.234ms` + "\n"},

		{"text", func(_ *Settings, l *Line) { l.Request.ContentLength = -1 }, `level=INFO msg=request method=POST path=/ml/shout route=/shout status=200 duration_ms=1.234 request_type=application/json response_type="text/plain; charset=utf-8" response_bytes=5 client=192.0.2.1:1234 request_id=1234` + "\n"},
		{"text", long, `level=INFO msg=request method="M` + cut + `" path="/` + cut + `" route=/shout status=200 duration_ms=1.234 request_type="a` + cut + `" request_bytes=2 response_type="text/plain; charset=utf-8" response_bytes=5 client=192.0.2.1:1234 request_id=1234` + "\n"},
		{"bentoml", long, `[INFO] [entry_service:Front:1] 192.0.2.1:1234 (scheme=http,method=M` + cut + `,path=/` + cut + `,type=a` + cut + `,length=2) (status=200,type=text/plain; charset=utf-8,length=5) 1.234ms` + "\n"},
		{"bentoml", func(_ *Settings, l *Line) { l.Request.ContentLength = -1 }, `[INFO] [entry_service:Front:1] 192.0.2.1:1234 (scheme=http,method=POST,path=/ml/shout,type=application/json,length=) (status=200,type=text/plain; charset=utf-8,length=5) 1.234ms` + "\n"},
		{"bentoml", func(s *Settings, l *Line) {
			l.Request.URL.Path = "/a\nb\x7f\xff"
			l.Request.Header.Set("Content-Type", "x\ty")
			s.ResponseContentType = false
		}, "[INFO] [entry_service:Front:1] 192.0.2.1:1234 (scheme=http,method=POST,path=/a\uFFFDb\uFFFD\uFFFD,type=x\uFFFDy,length=2) (status=200,length=5) 1.234ms\n"},
		{"bentoml", func(s *Settings, l *Line) {
			short(s, l)
			l.Request.URL.Path = "/a) (status=500,x=\u2028\u0085\u202e\x1b"
		}, "[INFO] [entry_service:Front:1] 192.0.2.1:1234 (scheme=http,method=POST,path=/a%29 %28status=500%2Cx=\uFFFD\uFFFD\uFFFD\uFFFD) (status=200) 1.234ms\n"},
		{"text", func(s *Settings, l *Line) { short(s, l); l.Request.URL.Path = "/a\nb\xff" }, `level=INFO msg=request method=POST path="/a\nb` + "\uFFFD" + `" route=/shout status=200 duration_ms=1.234 client=192.0.2.1:1234 request_id=1234` + "\n"},

		{"text", func(s *Settings, _ *Line) { s.SkipPaths = []string{"/nothing", "/sho"} }, ""},
		{"text", func(s *Settings, _ *Line) { s.SkipPaths = []string{"/ml/sh"} }, ""},
	} {
		if got := written(t, c.format, c.change); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.format, got, c.want)
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/healthz", "/metrics", "/ml/livez"} { // by default
		if got := written(t, "text", func(_ *Settings, l *Line) { l.Request.URL.Path = path }); got != "" {
			t.Errorf("%s: got %s", path, got)
		}
	}
}

// If the configured level is above that of the line, it is not written.
func TestLinesBelowTheLevel(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(loghandler.New(&out, config.Logging{Format: "text"}, slog.LevelWarn, "Front"))
	for _, cut := range []bool{false, true} {
		New(config.Logging{}, logger).Write(&Settings{}, &Line{Request: httptest.NewRequest("POST", "/", nil), Took: time.Second, Cut: cut})
	}
	if strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), "cut=true") {
		t.Errorf("got %s", out.String())
	}
}
