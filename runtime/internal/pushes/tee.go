package pushes

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// Tee returns a handler that writes to next, and pushes the same lines from Start to StopLogs.
// next decides which levels are logged.
func (p *Pushes) Tee(next slog.Handler) slog.Handler { return &tee{Handler: next, lines: &p.lines} }

type tee struct {
	slog.Handler
	lines *lines
	span  trace.SpanContext                 // of lines whose context has none
	with  []func(slog.Handler) slog.Handler // what WithAttrs and WithGroup added
}

// Within returns a handler whose lines have the span in ctx, if their own context has none. It
// returns other handlers than those of [Pushes.Tee] unchanged.
func Within(ctx context.Context, handler slog.Handler) slog.Handler {
	t, ok := handler.(*tee)
	if !ok {
		return handler
	}
	with := *t
	with.span = trace.SpanContextFromContext(ctx)
	return &with
}

// Handle implements [slog.Handler].
func (t *tee) Handle(ctx context.Context, record slog.Record) error {
	if to := t.lines.to.Load(); to != nil {
		pushed := *to
		for _, with := range t.with {
			pushed = with(pushed)
		}
		within := ctx
		if t.span.IsValid() && !trace.SpanContextFromContext(ctx).IsValid() {
			within = trace.ContextWithSpanContext(ctx, t.span)
		}
		_ = pushed.Handle(within, record.Clone()) // it has no error
	}
	return t.Handler.Handle(ctx, record)
}

// WithAttrs implements [slog.Handler].
func (t *tee) WithAttrs(attrs []slog.Attr) slog.Handler {
	return t.and(t.Handler.WithAttrs(attrs), func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

// WithGroup implements [slog.Handler].
func (t *tee) WithGroup(name string) slog.Handler {
	return t.and(t.Handler.WithGroup(name), func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (t *tee) and(next slog.Handler, with func(slog.Handler) slog.Handler) slog.Handler {
	return &tee{Handler: next, lines: t.lines, span: t.span, with: append(t.with[:len(t.with):len(t.with)], with)}
}
