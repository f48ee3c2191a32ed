package runtime

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// accessLog writes a line for each request but the probes'. A nil one writes
// nothing.
type accessLog struct {
	logger *slog.Logger
	write  func(*slog.Logger, *settings, *exchange, time.Duration)
}

func newAccessLog(cfg config.Logging, logger *slog.Logger) *accessLog {
	if cfg.Format == "bentoml" {
		return &accessLog{logger: logger, write: writeBentoMLAccess}
	}
	return &accessLog{logger: logger, write: writeAccess}
}

func (l *accessLog) log(x *exchange, took time.Duration) {
	cfg := x.rt.cfg()
	if skipped(cfg, x.request.URL.Path) {
		return
	}
	if !l.logger.Enabled(x.request.Context(), x.level()) {
		return
	}
	l.write(l.logger, cfg, x, took)
}

// level is that of a request's line: one that was cut off is lost.
func (x *exchange) level() slog.Level {
	if x.cut {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// sent is the status for the log. 0: none was sent, however the request is
// counted.
func (x *exchange) sent() int {
	if x.unsent {
		return 0
	}
	return x.status
}

// mark is what the line of a request that was cut off has more than others.
func (x *exchange) mark() []slog.Attr {
	if x.cut {
		return []slog.Attr{slog.Bool("cut", true)}
	}
	return nil
}

// skipped reports whether logging.access.skip_paths has the beginning of a
// path, which is how BentoML compares them; behind the path prefix too.
func skipped(cfg *settings, path string) bool {
	below := strings.TrimPrefix(path, cfg.HTTP.PathPrefix)
	for _, skip := range cfg.Logging.AccessLog.SkipPaths {
		if strings.HasPrefix(path, skip) || strings.HasPrefix(below, skip) {
			return true
		}
	}
	return false
}

func writeAccess(logger *slog.Logger, cfg *settings, x *exchange, took time.Duration) {
	r, parts := x.request, cfg.Logging.AccessLog
	attrs := []slog.Attr{
		slog.String("method", r.Method),
		slog.String("path", legalText(r.URL.Path)),
		slog.Int("status", x.sent()),
		slog.Float64("duration_ms", milliseconds(took)),
	}
	if parts.RequestContentType {
		attrs = append(attrs, slog.String("request_type", legalText(r.Header.Get("Content-Type"))))
	}
	if parts.RequestContentLength {
		attrs = append(attrs, slog.Int64("request_bytes", r.ContentLength))
	}
	if parts.ResponseContentType {
		attrs = append(attrs, slog.String("response_type", x.kind))
	}
	if parts.ResponseContentLength {
		attrs = append(attrs, slog.Int64("response_bytes", x.bytes))
	}
	attrs = append(attrs, slog.String("client", r.RemoteAddr))
	attrs = append(attrs, cfg.ids(r.Context(), x.id)...)
	attrs = append(attrs, x.mark()...)
	logger.LogAttrs(r.Context(), x.level(), "request", attrs...)
}

// writeBentoMLAccess writes the line that BentoML's access log has, which log
// pipelines take apart by its parentheses.
func writeBentoMLAccess(logger *slog.Logger, cfg *settings, x *exchange, took time.Duration) {
	r, parts := x.request, cfg.Logging.AccessLog
	var b strings.Builder
	b.WriteString(r.RemoteAddr)
	b.WriteString(" (scheme=" + schemeOf(r) + ",method=" + r.Method + ",path=" + oneLine(r.URL.Path))
	if parts.RequestContentType {
		b.WriteString(",type=" + oneLine(r.Header.Get("Content-Type")))
	}
	if parts.RequestContentLength {
		b.WriteString(",length=" + length(r.ContentLength))
	}
	b.WriteString(") (status=" + strconv.Itoa(x.sent()))
	if parts.ResponseContentType {
		b.WriteString(",type=" + x.kind)
	}
	if parts.ResponseContentLength {
		b.WriteString(",length=" + strconv.FormatInt(x.bytes, 10))
	}
	b.WriteString(") " + strconv.FormatFloat(milliseconds(took), 'f', 3, 64) + "ms")
	if span := trace.SpanContextFromContext(r.Context()); span.IsValid() {
		sampled := "0"
		if span.IsSampled() {
			sampled = "1"
		}
		b.WriteString(" (trace=" + cfg.trace(span) + ",span=" + cfg.span(span) +
			",sampled=" + sampled + ",service.name=" + x.rt.entry.name + ")")
	}
	logger.LogAttrs(r.Context(), x.level(), b.String(), x.mark()...)
}

// length is a Content-Length as it was sent: nothing when there was none.
func length(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// oneLine keeps a client from writing lines of its own into the log.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, legalText(s))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func schemeOf(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}
