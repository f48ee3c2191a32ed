// Package loghandler writes log records in the configured format, BentoML's among them.
package loghandler

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// New returns the slog.Handler that logging.format names. service is the
// entry service.
func New(w io.Writer, cfg config.Logging, level slog.Leveler, service string) slog.Handler {
	options := &slog.HandlerOptions{Level: level}
	switch cfg.Format {
	case "json":
		return slog.NewJSONHandler(w, options)
	case "bentoml":
		return &bentoMLHandler{level: level, component: " [entry_service:" + service + ":1] ", out: &lockedWriter{w: w}}
	}
	return slog.NewTextHandler(w, options)
}

// bentoMLHandler writes lines in BentoML's layout: time, level, component and
// message, then the attributes as name=value.
type bentoMLHandler struct {
	level     slog.Leveler
	component string
	attrs     string // attributes of WithAttrs, formatted
	group     string // names of WithGroup, each followed by a dot
	out       *lockedWriter
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Enabled reports whether a level is logged.
func (h *bentoMLHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle writes one line.
func (h *bentoMLHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	if !r.Time.IsZero() {
		b.WriteString(r.Time.Format("2006-01-02T15:04:05-0700") + " ")
	}
	b.WriteString("[" + levelName(r.Level) + "]" + h.component + unbroken(r.Message) + h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, h.group, a)
		return true
	})
	b.WriteByte('\n')
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := io.WriteString(h.out.w, b.String())
	return err
}

func writeAttr(b *strings.Builder, group string, a slog.Attr) {
	value := a.Value.Resolve()
	switch {
	case a.Equal(slog.Attr{}):
	case value.Kind() == slog.KindGroup:
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, below := range value.Group() {
			writeAttr(b, group, below)
		}
	default:
		b.WriteString(" " + group + a.Key + "=" + quoted(value.String()))
	}
}

// quoted quotes a value that has a space, a quote or an invisible character, such as a line
// break or the escape that changes a terminal: one record stays one line.
func quoted(value string) string {
	if strings.ContainsFunc(value, func(r rune) bool { return r == ' ' || r == '"' || !unicode.IsPrint(r) }) {
		return strconv.Quote(value)
	}
	return value
}

// unbroken escapes a message that has an invisible character.
func unbroken(message string) string {
	if strings.ContainsFunc(message, func(r rune) bool { return !unicode.IsPrint(r) }) {
		escaped := strconv.Quote(message)
		return escaped[1 : len(escaped)-1]
	}
	return message
}

// WithAttrs returns a handler that adds attributes to each line.
func (h *bentoMLHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	var b strings.Builder
	for _, a := range attrs {
		writeAttr(&b, h.group, a)
	}
	with.attrs += b.String()
	return &with
}

// WithGroup returns a handler that puts a name before the attributes that
// follow.
func (h *bentoMLHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.group += name + "."
	return &with
}

// levelName returns Python's name of a level.
func levelName(level slog.Level) string {
	if level >= slog.LevelWarn && level < slog.LevelError {
		return "WARNING"
	}
	return level.String()
}
