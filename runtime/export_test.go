package runtime

import (
	"context"
	"net/http"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/conns"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// OwnHandler is what [App.Serve] gives its server, without a network.
func OwnHandler(app *App) http.Handler {
	if err := app.seal(); err != nil {
		panic(err)
	}
	from := origin{conn: &conns.Conn{}, inline: true}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { app.serve(w, r, from) })
}

// Recorder does what the default metrics do for one request.
type Recorder struct{ endpoint *telemetry.Endpoint }

// NewRecorder records for the first API of an app.
func NewRecorder(app *App) Recorder {
	if err := app.seal(); err != nil {
		panic(err)
	}
	return Recorder{app.apis[0].endpoint}
}

// Timed records with the clock read for it, as when metrics are on.
func (r Recorder) Timed(ctx context.Context) {
	start := time.Now()
	r.endpoint.Begin(start)
	r.endpoint.End(ctx, http.StatusOK, time.Since(start))
}

// Untimed records alone: when metrics are off, the clock is read for the timeout
// only.
func (r Recorder) Untimed(ctx context.Context, now time.Time) {
	r.endpoint.Begin(now)
	r.endpoint.End(ctx, http.StatusOK, 0)
}

// Announcement is what a person at a terminal is told at start.
func Announcement(app *App, address string) string { return app.announcement(address) }

// ReloadChanged is the reload after a change of a file.
func ReloadChanged(app *App) error { return app.reload(tornWrite) }
