package runtime

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/accesslog"
	"github.com/ekiben-serving/ekiben/runtime/internal/lines"
	"github.com/ekiben-serving/ekiben/runtime/internal/logguard"
	"github.com/ekiben-serving/ekiben/runtime/internal/loghandler"
	"github.com/ekiben-serving/ekiben/runtime/internal/pushes"
	"github.com/ekiben-serving/ekiben/runtime/internal/settings"
)

// logs has the loggers of an app.
type logs struct {
	logger   *slog.Logger
	local    *slog.Logger // writes what is not pushed, such as errors of that push
	access   *accesslog.Log
	lines    *lines.Writer // to standard error
	terminal io.Writer     // lines if it is a terminal and the format is text, else nil
	conf     *settings.Settings
	endPush  context.CancelFunc // nil: lines are not pushed
}

// newLogs returns logs that use logger; nil: standard error, in the configured
// format and level. pushed pushes the lines too; nil: they are not pushed. Nothing waits for the
// reader of standard error, see package lines.
func newLogs(logger *slog.Logger, cfg config.Logging, conf *settings.Settings, pushed *pushes.Pushes, entry string) logs {
	var own *slog.Logger
	to := lines.New(lines.Stderr(), func(dropped int64) {
		own.Warn("log lines were dropped: standard error was not read fast enough, or could not be written", "lines", dropped)
	})
	own = slog.New(loghandler.New(to, cfg, &conf.Level, entry))
	l := logs{conf: conf, lines: to, local: own}
	if logger != nil {
		l.local = slog.New(logguard.New(logger.Handler(), to))
	} else if cfg.Format == "text" && term.IsTerminal(int(os.Stderr.Fd())) {
		l.terminal = to
	}
	if l.logger = l.local; pushed != nil {
		l.logger = slog.New(pushed.Tee(l.local.Handler()))
	}
	l.access = accesslog.New(cfg, l.logger)
	return l
}

// flushLog bounds the wait for the last lines of the log.
const flushLog = time.Second

// flush waits until the lines so far are written, or for flushLog.
func (l *logs) flush() { l.lines.Flush(flushLog) }

// stopLogs pushes the lines that are left, for flushTimeout at most, after the last one.
func (a *App) stopLogs() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := a.pushes.StopLogs(ctx); err != nil {
		a.log.local.Warn("the last log lines could not be pushed", "error", err)
	}
	if a.log.endPush != nil {
		a.log.endPush()
	}
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
