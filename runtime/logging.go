package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// newLogger makes the logger that the configuration asks for, on standard
// error.
func newLogger(cfg config.Logging, level slog.Leveler, service string) *slog.Logger {
	return slog.New(newLogHandler(os.Stderr, cfg, level, service))
}

func newLogHandler(w io.Writer, cfg config.Logging, level slog.Leveler, service string) slog.Handler {
	options := &slog.HandlerOptions{Level: level}
	switch cfg.Format {
	case "json":
		return slog.NewJSONHandler(w, options)
	case "bentoml":
		return &bentoMLHandler{level: level, component: " [entry_service:" + service + ":" + worker + "] ", out: &lockedWriter{w: w}}
	}
	return slog.NewTextHandler(w, options)
}

// bentoMLHandler writes log lines in BentoML's layout: time, level, component,
// message; attributes follow the message as name=value.
type bentoMLHandler struct {
	level     slog.Leveler
	component string
	attrs     string
	group     string
	out       *lockedWriter
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (h *bentoMLHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

func (h *bentoMLHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Time.Format("2006-01-02T15:04:05-0700"))
	b.WriteString(" [" + levelName(r.Level) + "]" + h.component + r.Message + h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(h.text(a))
		return true
	})
	b.WriteByte('\n')
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := io.WriteString(h.out.w, b.String())
	return err
}

func (h *bentoMLHandler) text(a slog.Attr) string {
	value := a.Value.Resolve().String()
	if strings.ContainsAny(value, " \n\"") {
		value = "\"" + strings.NewReplacer("\\", "\\\\", "\"", "\\\"", "\n", "\\n").Replace(value) + "\""
	}
	return " " + h.group + a.Key + "=" + value
}

func (h *bentoMLHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	for _, a := range attrs {
		with.attrs += h.text(a)
	}
	return &with
}

func (h *bentoMLHandler) WithGroup(name string) slog.Handler {
	with := *h
	with.group += name + "."
	return &with
}

// levelName is what Python calls a level.
func levelName(level slog.Level) string {
	if level >= slog.LevelWarn && level < slog.LevelError {
		return "WARNING"
	}
	return level.String()
}

// logFailure logs why a request of an API failed; answer is the header that its
// client was sent.
func (rt *Runtime) logFailure(ctx context.Context, answer http.Header, a *api, err error) {
	attrs := []slog.Attr{slog.String("service", a.service.name), slog.String("api", a.name), slog.Any("error", inFull(err))}
	var p *panicError
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	rt.logFailed(ctx, answer, attrs)
}

// logPanic logs a panic that was not an API's.
func (rt *Runtime) logPanic(x *exchange, value any, stack []byte) {
	rt.logFailed(x.request.Context(), x.Header(), []slog.Attr{slog.String("path", x.request.URL.Path),
		slog.String("error", fmt.Sprintf("panic: %v", value)), slog.String("stack", string(stack))})
}

// logFailed writes the line, with the ids that the access log's has.
func (rt *Runtime) logFailed(ctx context.Context, answer http.Header, attrs []slog.Attr) {
	rt.logger.LogAttrs(ctx, slog.LevelError, "request failed", append(attrs, rt.cfg().ids(ctx, requestID(answer))...)...)
}
