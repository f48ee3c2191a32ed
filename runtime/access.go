package runtime

import (
	"log/slog"
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
	write  func(*slog.Logger, *exchange, time.Duration)
}

func newAccessLog(cfg config.Logging, logger *slog.Logger) *accessLog {
	switch {
	case !cfg.Access.Enabled:
		return nil
	case cfg.Format == "bentoml":
		return &accessLog{logger: logger, write: writeBentoMLAccess}
	}
	return &accessLog{logger: logger, write: writeAccess}
}

func (l *accessLog) log(x *exchange, took time.Duration) {
	if l == nil || x.endpoint.isProbe() {
		return
	}
	if !l.logger.Enabled(x.request.Context(), slog.LevelInfo) {
		return
	}
	l.write(l.logger, x, took)
}

func (e *endpoint) isProbe() bool { return e != nil && e.probe }

func writeAccess(logger *slog.Logger, x *exchange, took time.Duration) {
	r := x.request
	attrs := []slog.Attr{
		slog.String("method", r.Method),
		slog.String("path", legalText(r.URL.Path)),
		slog.Int("status", x.status),
		slog.Float64("duration_ms", milliseconds(took)),
		slog.Int64("request_bytes", r.ContentLength),
		slog.Int64("response_bytes", x.bytes),
		slog.String("client", r.RemoteAddr),
	}
	if span := trace.SpanContextFromContext(r.Context()); span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	logger.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
}

// writeBentoMLAccess writes the line that BentoML's access log has, which log
// pipelines take apart by its parentheses.
func writeBentoMLAccess(logger *slog.Logger, x *exchange, took time.Duration) {
	r := x.request
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	var b strings.Builder
	b.WriteString(r.RemoteAddr)
	b.WriteString(" (scheme=" + scheme + ",method=" + r.Method + ",path=" + oneLine(r.URL.Path))
	b.WriteString(",type=" + oneLine(r.Header.Get("Content-Type")) + ",length=" + length(r.ContentLength) + ")")
	b.WriteString(" (status=" + strconv.Itoa(x.status) + ",type=" + x.Header().Get("Content-Type") + ",length=" + strconv.FormatInt(x.bytes, 10) + ") ")
	b.WriteString(strconv.FormatFloat(milliseconds(took), 'f', 3, 64) + "ms")
	if span := trace.SpanContextFromContext(r.Context()); span.IsValid() {
		sampled := "0"
		if span.IsSampled() {
			sampled = "1"
		}
		b.WriteString(" (trace=" + span.TraceID().String() + ",span=" + span.SpanID().String() +
			",sampled=" + sampled + ",service.name=" + x.rt.entry.name + ")")
	}
	logger.LogAttrs(r.Context(), slog.LevelInfo, b.String())
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
