package runtime

import (
	"net"
	"net/http"

	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
	"github.com/ekiben-serving/ekiben/runtime/internal/tracing"
)

// withClient returns a request with the address of its client, as http.trusted_proxies lets
// proxies tell it. Logs, functions and limits use that address.
func (a *App) withClient(r *http.Request) *http.Request {
	r = a.trusted.Behind(r)
	if a.tracing != nil {
		tracing.SetClient(r.Context(), r.RemoteAddr)
	}
	return r
}

// known returns a listener that reads PROXY headers, if http.proxy_protocol says so.
func (a *App) known(listener net.Listener) net.Listener {
	if a.trusted == nil || !a.conf.Now().HTTP.Proxies.Protocol {
		return listener
	}
	return a.trusted.Listen(listener, func() { a.metrics.Refuse(telemetry.RefusedProxy) })
}
