package runtime

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
)

// announce logs the start of serving: a few lines on a terminal, otherwise one
// log record.
func (a *App) announce(address string) {
	if a.log.terminal != nil && a.log.logger.Enabled(context.Background(), slog.LevelInfo) {
		_, _ = io.WriteString(a.log.terminal, a.announcement(address))
		return
	}
	a.log.logger.Info("serving", a.withAdmin("app", a.identity.Name, "version", a.identity.Version, "address", address, "configuration", a.configurationFiles(),
		"exposes", strings.Join(a.exposed(), ", "), "metrics", strings.Join(a.telemetry.Families(), ", "), "pushes", a.pushes.String())...)
}

// withAdmin adds the address of the admin door to the attributes of a log record, if it is open.
func (a *App) withAdmin(attributes ...any) []any {
	if at := a.adminAddress(); at != "" {
		attributes = append(attributes, "admin", at)
	}
	return attributes
}

// adminAddress returns the URL of the admin door, or "". With a web configuration file, which
// may turn TLS on, it is host:port.
func (a *App) adminAddress() string {
	addr := a.AdminAddr()
	switch {
	case addr == nil:
		return ""
	case a.conf.Now().Admin.WebConfigFile != "":
		return addr.String()
	}
	return urlOf(addr, false)
}

// announcement returns the lines for a terminal, with the URL of the home page.
func (a *App) announcement(address string) string {
	metrics := strings.Join(a.telemetry.Families(), ", ")
	if metrics == "" {
		metrics = "nothing is measured"
	}
	at := "address  " + address
	if cfg := a.conf.Now().HTTP; cfg.Page && !strings.HasPrefix(address, "unix:") {
		at = "page     " + address + cfg.PathPrefix + "/"
	}
	if admin := a.adminAddress(); admin != "" {
		at += "\n  admin    " + admin
	}
	return fmt.Sprintf("serving %s, version %s\n  %s\n  config   %s\n  exposes  %s\n  metrics  %s\n  pushes   %s\n",
		a.identity.Name, a.identity.Version, at, a.configurationFiles(), strings.Join(a.exposed(), ", "), metrics, a.pushes.String())
}

// urlOf returns an address as a URL that a browser can open: an unspecified address, such as
// 0.0.0.0, becomes localhost.
func urlOf(addr net.Addr, secure bool) string {
	if addr.Network() == "unix" {
		return "unix:" + addr.String()
	}
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + net.JoinHostPort(host, port)
}
