// Package logguard keeps panics of a program's own log handler away from requests.
package logguard

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// New returns a handler that recovers panics of another one: on a goroutine of the
// runtime, such a panic would end the process. It reports them to w, with the message that
// is lost.
func New(handler slog.Handler, w io.Writer) slog.Handler { return guarded{handler, w} }

type guarded struct {
	slog.Handler
	w io.Writer
}

func (g guarded) report(method, message string) {
	if p := recover(); p != nil {
		_, _ = fmt.Fprintf(g.w, "method %s of the logger's handler panicked: %v; the message was %q\n", method, p, message)
	}
}

// instead returns g in place of the handler that a panic did not return.
func (g guarded) instead(with *slog.Handler) {
	if *with == nil {
		*with = g
	}
}

func (g guarded) Enabled(ctx context.Context, level slog.Level) bool {
	defer g.report("Enabled", "")
	return g.Handler.Enabled(ctx, level)
}

func (g guarded) Handle(ctx context.Context, record slog.Record) error {
	defer g.report("Handle", record.Message)
	return g.Handler.Handle(ctx, record)
}

func (g guarded) WithAttrs(attrs []slog.Attr) (with slog.Handler) {
	defer g.instead(&with)
	defer g.report("WithAttrs", "")
	return guarded{g.Handler.WithAttrs(attrs), g.w}
}

func (g guarded) WithGroup(name string) (with slog.Handler) {
	defer g.instead(&with)
	defer g.report("WithGroup", "")
	return guarded{g.Handler.WithGroup(name), g.w}
}
