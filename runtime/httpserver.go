package runtime

import (
	"cmp"
	"log/slog"
	"net/http"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/conns"
)

// newServer returns a server for the connections of a listener.
func (a *App) newServer(handler http.Handler, open *conns.Conns) *http.Server {
	server := &http.Server{
		Handler:  limitStreams(a.conf.Now().HTTP.Limits, handler),
		ErrorLog: slog.NewLogLogger(a.log.logger.Handler(), slog.LevelWarn),

		MaxHeaderBytes: int(cmp.Or(a.conf.Now().HTTP.Limits.MaxHeaderSize, 64<<10)),
	}
	open.Attach(server)
	return server
}

// limitsOf returns the limits of slow clients.
func limitsOf(l config.Limits) conns.Limits {
	return conns.Limits{Header: l.HeaderTimeout, Idle: l.IdleTimeout, Body: l.BodyTimeout, Write: l.WriteTimeout}
}
