// Package webconfig reads the web configuration files of Prometheus and its exporters, with
// TLS, users and headers. A program that sets admin.web_config_file must import it, for its
// side effect:
//
//	import _ "github.com/ekiben-serving/ekiben/exporters/prometheus/webconfig"
//
// Package ekiben has this import. The files are described at
// https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md.
package webconfig

import (
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/ekiben-serving/ekiben/internal/linked"
)

func init() { linked.WebConfig.Register(toolkit{}) }

type toolkit struct{}

func (toolkit) Validate(file string) error { return web.Validate(file) }

// Serve reads the file again for each request and each handshake, as the exporters do.
func (toolkit) Serve(listener net.Listener, server *http.Server, file string, log *slog.Logger) error {
	return web.Serve(listener, server, &web.FlagConfig{WebConfigFile: &file}, log)
}
