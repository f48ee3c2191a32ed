package runtime

import (
	"context"
	"net/http"
	"time"
)

// OwnHandler is what [Runtime.Serve] gives its server.
func OwnHandler(rt *Runtime) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { rt.serve(w, r, true) })
}

// RecordRequest is what the default metrics do for one request, clock included
// unless metrics are off: the clock is then read for the timeout alone.
func RecordRequest(rt *Runtime) func(context.Context) {
	e := rt.entry.apis[0].endpoint
	if e == nil {
		return func(ctx context.Context) {
			e.begin(time.Time{})
			e.end(ctx, http.StatusOK, 0)
		}
	}
	return func(ctx context.Context) {
		start := time.Now()
		e.begin(start)
		e.end(ctx, http.StatusOK, time.Since(start))
	}
}
