// Package accesslog writes the access log: a line for each request, with its ids, in
// the configured format. It does not depend on services.
package accesslog

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// Line is one request in the access log.
type Line struct {
	Request *http.Request // its header and its URL are not read
	// Path and RequestType are the path and the Content-Type as they arrived.
	Path, RequestType string

	Service string // the entry service
	Route   string // as declared, or "unmatched"
	ID      string // of the request
	// Status is the status that was sent. 0: none was sent.
	Status        int
	ResponseType  string
	ResponseBytes int64
	Took          time.Duration
	// Cut reports whether the end of shutdown.grace cut the request off.
	Cut bool
	// Disconnected reports whether the client hung up before the response, or before the
	// end of a stream. Status is then the one that the metrics count.
	Disconnected bool
	// Refused is why the request was refused before its function began, in the words of
	// ekiben_traffic_refused_total. "": it was not refused.
	Refused string
}

// Settings has the configuration keys that lines depend on.
type Settings struct {
	config.AccessLog
	PathPrefix string
	IDs        IDs
}

// Log writes lines.
type Log struct {
	logger *slog.Logger
	write  func(*slog.Logger, *Settings, *Line)
}

// New returns a Log in the format of logging.format.
func New(cfg config.Logging, logger *slog.Logger) *Log {
	if cfg.Format == "bentoml" {
		return &Log{logger: logger, write: writeBentoML}
	}
	return &Log{logger: logger, write: write}
}

// Write writes the line of a request, unless skip_paths or the level excludes it.
func (l *Log) Write(set *Settings, line *Line) {
	if !set.skips(line.Path) && !set.skips(line.Route) && l.logger.Enabled(line.Request.Context(), line.level()) {
		l.write(l.logger, set, line)
	}
}

// level returns warn for a request that was cut off, because its response is lost.
func (l *Line) level() slog.Level {
	if l.Cut {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func (l *Line) mark() []slog.Attr {
	switch {
	case l.Cut:
		return []slog.Attr{slog.Bool("cut", true)}
	case l.Disconnected:
		return []slog.Attr{slog.Bool("disconnected", true)}
	}
	return nil
}

// skips compares the beginning of a path, as BentoML does, with and without the
// path prefix.
func (s *Settings) skips(path string) bool {
	below := strings.TrimPrefix(path, s.PathPrefix)
	for _, skip := range s.SkipPaths {
		if strings.HasPrefix(path, skip) || strings.HasPrefix(below, skip) {
			return true
		}
	}
	return false
}

func write(logger *slog.Logger, set *Settings, line *Line) {
	r := line.Request
	attrs := []slog.Attr{
		slog.String("method", Sent(r.Method)),
		slog.String("path", Sent(line.Path)),
		slog.String("route", Sent(line.Route)),
		slog.Int("status", line.Status),
		slog.Float64("duration_ms", milliseconds(line.Took)),
	}
	if set.RequestContentType {
		attrs = append(attrs, slog.String("request_type", Sent(line.RequestType)))
	}
	if set.RequestContentLength && r.ContentLength >= 0 { // else the client did not say it
		attrs = append(attrs, slog.Int64("request_bytes", r.ContentLength))
	}
	if set.ResponseContentType {
		attrs = append(attrs, slog.String("response_type", line.ResponseType))
	}
	if set.ResponseContentLength {
		attrs = append(attrs, slog.Int64("response_bytes", line.ResponseBytes))
	}
	attrs = append(attrs, slog.String("client", r.RemoteAddr))
	attrs = append(attrs, set.IDs.Attrs(r.Context(), line.ID)...)
	attrs = append(attrs, line.mark()...)
	if line.Refused != "" {
		attrs = append(attrs, slog.String("reason", line.Refused))
	}
	logger.LogAttrs(r.Context(), line.level(), "request", attrs...)
}

// writeBentoML writes the line as BentoML does. Log pipelines parse its
// parentheses.
func writeBentoML(logger *slog.Logger, set *Settings, line *Line) {
	r := line.Request
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	var b strings.Builder
	b.WriteString(r.RemoteAddr)
	b.WriteString(" (scheme=" + scheme + ",method=" + oneLine(r.Method) + ",path=" + oneLine(line.Path))
	if set.RequestContentType {
		b.WriteString(",type=" + oneLine(line.RequestType))
	}
	if set.RequestContentLength {
		b.WriteString(",length=" + length(r.ContentLength))
	}
	b.WriteString(") (status=" + strconv.Itoa(line.Status))
	if set.ResponseContentType {
		b.WriteString(",type=" + line.ResponseType)
	}
	if set.ResponseContentLength {
		b.WriteString(",length=" + strconv.FormatInt(line.ResponseBytes, 10))
	}
	b.WriteString(") " + strconv.FormatFloat(milliseconds(line.Took), 'f', 3, 64) + "ms")
	if span := trace.SpanContextFromContext(r.Context()); span.IsValid() {
		sampled := "0"
		if span.IsSampled() {
			sampled = "1"
		}
		b.WriteString(" (trace=" + set.IDs.Trace(span) + ",span=" + set.IDs.Span(span) +
			",sampled=" + sampled + ",service.name=" + line.Service + ")")
	}
	logger.LogAttrs(r.Context(), line.level(), b.String(), line.mark()...)
}

// length formats a Content-Length; "" if there was none.
func length(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// oneLine returns a value of a client for BentoML's line. Invisible characters are replaced,
// and the line's own separators are escaped, so that a client can add neither lines nor
// fields to the log.
func oneLine(s string) string {
	return separators.Replace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, Sent(s)))
}

var separators = strings.NewReplacer("(", "%28", ")", "%29", ",", "%2C")

// most is how many bytes of a value that a client sends are logged.
const most = 1024

// Sent returns a value that a client sent as it is logged: valid UTF-8, and cut off
// after 1024 bytes, with its length.
func Sent(value string) string {
	if len(value) > most {
		value = value[:most] + "… [" + strconv.Itoa(len(value)) + " bytes]"
	}
	return strings.ToValidUTF8(value, "\uFFFD")
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
