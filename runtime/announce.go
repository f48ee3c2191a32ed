package runtime

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// announce logs the start of serving: a few lines on a terminal, otherwise one
// log record.
func (a *App) announce(address string) {
	if a.log.terminal != nil && a.log.logger.Enabled(context.Background(), slog.LevelInfo) {
		_, _ = io.WriteString(a.log.terminal, a.announcement(address))
		return
	}
	a.log.logger.Info("serving", "app", a.identity.Name, "version", a.identity.Version, "address", address, "configuration", a.configurationFiles(),
		"exposes", strings.Join(a.exposed(), ", "), "metrics", strings.Join(a.telemetry.Families(), ", "), "pushes", a.pushes.String())
}

// announcement returns the lines for a terminal, with the URL of the home page.
func (a *App) announcement(address string) string {
	metrics := strings.Join(a.telemetry.Families(), ", ")
	if metrics == "" {
		metrics = "nothing is measured"
	}
	at := "address  " + address
	if cfg := a.conf.Now().HTTP; cfg.Page {
		at = "page     " + address + cfg.PathPrefix + "/"
	}
	return fmt.Sprintf("serving %s, version %s\n  %s\n  config   %s\n  exposes  %s\n  metrics  %s\n  pushes   %s\n",
		a.identity.Name, a.identity.Version, at, a.configurationFiles(), strings.Join(a.exposed(), ", "), metrics, a.pushes.String())
}

// configurationFiles names the files that the configuration was read from.
func (a *App) configurationFiles() string {
	loaded := a.conf.Loaded
	if loaded == nil {
		return "no file"
	}
	files := loaded.Files
	if loaded.File != "" && !slices.Contains(files, loaded.File) { // its content was given
		files = append(files[:len(files):len(files)], loaded.File)
	}
	if len(files) == 0 {
		return "no file"
	}
	return strings.Join(files, ", ")
}
