package runtime

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/exporters/otlp"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// OwnHandler is what [Runtime.Serve] gives its server.
func OwnHandler(rt *Runtime) http.Handler {
	from := &conn{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { rt.serve(w, r, from, true) })
}

// WithoutTracing is the runtime as an http.Handler, without the stage that makes
// spans.
func WithoutTracing(rt *Runtime) http.Handler { return http.HandlerFunc(rt.serveForeign) }

// ObserverOf returns the observer of a batchable API's batcher.
func ObserverOf[In, Out any](a *API[[]In, []Out]) batcher.Observer {
	return a.api.observer()
}

// Readers counts the readers of a runtime's own provider: each of them repeats
// the whole cost of a recording.
func Readers(rt *Runtime) int {
	return reflect.ValueOf(rt.provider).Elem().FieldByName("pipes").Len()
}

// Sender is what pushes metrics under a configuration.
func Sender(cfg config.Config) otlp.Config {
	rt := &Runtime{}
	rt.apply(cfg)
	return rt.sender(cfg.PushMetrics())
}

// Pushes counts, about, the pushes of metrics that have ended.
func Pushes(rt *Runtime) int64 {
	stats := rt.pushes.metrics
	n := stats.Exported() / 100 // a push has about as many points
	for _, why := range otlp.Reasons() {
		n += stats.Failures(why)
	}
	return n
}

// Recorder does what the default metrics do for one request.
type Recorder struct{ e *endpoint }

// NewRecorder records for the first API.
func NewRecorder(rt *Runtime) Recorder { return Recorder{rt.entry.apis[0].endpoint} }

// Timed records with the clock read for it, as when metrics are on.
func (r Recorder) Timed(ctx context.Context) {
	start := time.Now()
	r.e.begin(start)
	r.e.end(ctx, http.StatusOK, time.Since(start))
}

// Untimed records alone: when metrics are off, the clock is read for the
// timeout only.
func (r Recorder) Untimed(ctx context.Context, now time.Time) {
	r.e.begin(now)
	r.e.end(ctx, http.StatusOK, 0)
}

// Announcement is what a person at a terminal is told at start.
func Announcement(rt *Runtime, address string) string { return rt.announcement(address) }
