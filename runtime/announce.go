package runtime

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// announce logs the start of serving: a few lines on a terminal, otherwise one
// log record.
func (a *App) announce(address string) {
	if a.log.terminal != nil && a.log.logger.Enabled(context.Background(), slog.LevelInfo) {
		_, _ = io.WriteString(a.log.terminal, a.announcement(address))
		return
	}
	a.log.logger.Info("serving", "app", a.identity.Name, "version", a.identity.Version, "address", address, "configuration", a.configurationFile(),
		"exposes", strings.Join(a.exposed(), ", "), "metrics", strings.Join(a.telemetry.Families(), ", "), "pushes", a.pushes.String())
}

// announcement returns the lines for a terminal, with the URL of the home page.
func (a *App) announcement(address string) string {
	metrics := strings.Join(a.telemetry.Families(), ", ")
	if metrics == "" {
		metrics = "nothing is measured"
	}
	at := "address  " + address
	if cfg := a.conf.now().HTTP; cfg.Page {
		at = "page     " + address + cfg.PathPrefix + "/"
	}
	return fmt.Sprintf("serving %s, version %s\n  %s\n  config   %s\n  exposes  %s\n  metrics  %s\n  pushes   %s\n",
		a.identity.Name, a.identity.Version, at, a.configurationFile(), strings.Join(a.exposed(), ", "), metrics, a.pushes.String())
}

// configurationFile names the file that the configuration was read from.
func (a *App) configurationFile() string {
	if a.conf.loaded == nil || a.conf.loaded.File == "" {
		return "no file"
	}
	return a.conf.loaded.File
}
