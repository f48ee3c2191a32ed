package runtime

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"
)

// announce says that rt serves at an address, what it exposes and what it
// pushes: in one line of the log, or to a person at a terminal in a few.
func (rt *Runtime) announce(address string) {
	if rt.terminal != nil && rt.logger.Enabled(context.Background(), slog.LevelInfo) {
		_, _ = io.WriteString(rt.terminal, rt.announcement(address))
		return
	}
	rt.logger.Info("serving", "app", rt.app.name, "version", rt.app.version, "address", address,
		"exposes", strings.Join(rt.exposed(), ", "), "metrics", strings.Join(rt.families(), ", "), "pushes", rt.pushing())
}

// announcement is for a person, who may want to open a page.
func (rt *Runtime) announcement(address string) string {
	metrics := strings.Join(rt.families(), ", ")
	if metrics == "" {
		metrics = "nothing is measured"
	}
	at := "address  " + address
	if cfg := rt.cfg().HTTP; cfg.Page {
		at = "page     " + address + cfg.PathPrefix + "/"
	}
	return fmt.Sprintf("serving %s, version %s\n  %s\n  exposes  %s\n  metrics  %s\n  pushes   %s\n",
		rt.app.name, rt.app.version, at, strings.Join(rt.exposed(), ", "), metrics, rt.pushing())
}

// person is standard error if somebody reads it there, or nil.
func person() io.Writer {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		return os.Stderr
	}
	return nil
}

// families lists what the page is about: the services' own families, and the
// rest as patterns.
func (rt *Runtime) families() []string {
	if rt.telemetry == nil {
		return nil
	}
	cfg := rt.cfg().Metrics
	namespace := cfg.Namespace()
	var names []string
	if slices.Contains(cfg.Conventions, "bentoml") {
		names = append(names, namespace+"_*")
	}
	if slices.Contains(cfg.Conventions, "http") {
		names = append(names, "http_server_request_duration_seconds")
	}
	for _, svc := range rt.services {
		names = append(names, svc.meter.families()...)
	}
	if cfg.GoRuntime && rt.exporter != nil { // somebody else's provider has none of ours
		names = append(names, "go_*")
	}
	names = append(names, "ekiben_*")
	if cfg.Page.TargetInfo && rt.exporter != nil {
		names = append(names, "target_info")
	}
	return names
}
