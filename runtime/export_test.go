package runtime

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/conns"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// OwnHandler returns the handler of the server of [App.Serve].
func OwnHandler(app *App) http.Handler {
	if err := app.seal(); err != nil {
		panic(err)
	}
	conn, err := conns.Listen(silent{}, conns.Limits{}).Accept()
	if err != nil {
		panic(err)
	}
	from := origin{conn: conn.(*conns.Conn), inline: true}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { app.serve(w, r, from) })
}

// silent is a listener whose clients send nothing.
type silent struct{ net.Listener }

func (silent) Accept() (net.Conn, error) {
	conn, _ := net.Pipe()
	return conn, nil
}

// Recorder records the default metrics of one request.
type Recorder struct{ endpoint *telemetry.Endpoint }

// NewRecorder returns a Recorder for the first API of an app.
func NewRecorder(app *App) Recorder {
	if err := app.seal(); err != nil {
		panic(err)
	}
	return Recorder{app.apis[0].endpoint}
}

// Timed reads the clock and records, as with metrics on.
func (r Recorder) Timed(ctx context.Context) {
	start := time.Now()
	r.endpoint.Begin(start)
	r.endpoint.End(ctx, http.StatusOK, time.Since(start))
}

// Untimed only records: with metrics off, the clock is read only for the timeout.
func (r Recorder) Untimed(ctx context.Context, now time.Time) {
	r.endpoint.Begin(now)
	r.endpoint.End(ctx, http.StatusOK, 0)
}

// Announcement returns the lines that are printed on a terminal at start.
func Announcement(app *App, address string) string { return app.announcement(address) }

// ReloadChanged reloads as after a change of a file.
func ReloadChanged(app *App) error { return app.reloadChanged() }

// SlowHandler returns the handler of /debug/slow.
func SlowHandler(app *App) http.Handler { return app.slowHandler() }
