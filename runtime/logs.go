package runtime

import (
	"context"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/accesslog"
	"github.com/ekiben-serving/ekiben/runtime/internal/settings"
)

// logs has the loggers of an app.
type logs struct {
	logger   *slog.Logger
	access   *accesslog.Log
	terminal io.Writer // stderr if it is a terminal and the format is text, else nil
	conf     *settings.Settings
}

// newLogs returns logs that use logger; nil: standard error, in the configured
// format and level.
func newLogs(logger *slog.Logger, cfg config.Logging, conf *settings.Settings, entry string) logs {
	l := logs{conf: conf}
	if logger != nil {
		l.logger = slog.New(accesslog.Guard(logger.Handler(), os.Stderr))
	} else {
		l.logger = slog.New(accesslog.NewHandler(os.Stderr, cfg, &conf.Level, entry))
		if cfg.Format == "text" && term.IsTerminal(int(os.Stderr.Fd())) {
			l.terminal = os.Stderr
		}
	}
	l.access = accesslog.New(cfg, l.logger)
	return l
}

// notify logs the notices of the configuration, one line each.
func (l *logs) notify(notices []config.Notice) {
	for _, n := range notices {
		var attrs []any
		if n.Key != "" { // else it is about a file or a variable
			attrs = append(attrs, "key", n.Key)
		}
		if n.Where != (config.Place{}) { // else code set it
			attrs = append(attrs, "where", n.Where.String())
		}
		l.logger.Warn("configuration", append(attrs, "notice", n.Text)...)
	}
}

// failed logs the failure of a request, with the ids of its access-log line.
func (l *logs) failed(ctx context.Context, level slog.Level, id string, attrs ...slog.Attr) {
	l.logger.LogAttrs(ctx, level, "request failed", append(attrs, l.conf.Now().Access.IDs.Attrs(ctx, id)...)...)
}
