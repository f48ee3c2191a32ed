package runtime

import (
	"context"
	"net/http"
)

// Ready gives the service a check that /readyz asks: nil is ready. A service
// that has none is ready as soon as it is served. The checks of services that
// the entry service depends on are asked too, unless runner_probe.enabled is
// false; all of them together may take runner_probe.timeout.
//
// What a check returns goes to the log; the answer names the service only.
func (s *Service) Ready(check func(context.Context) error) {
	if s.late("Ready") {
		return
	}
	s.ready = check
}

// readiness answers /readyz: one newline, or 503 with what keeps the app from
// being ready.
func (rt *Runtime) readiness() http.Handler {
	return readOnly(func(w http.ResponseWriter, r *http.Request) {
		if rt.draining.Load() {
			writePlain(w, http.StatusServiceUnavailable, "draining\n")
			return
		}
		if name, err := rt.unready(r.Context()); err != nil {
			rt.logger.WarnContext(r.Context(), "not ready", "service", name, "error", err)
			writePlain(w, http.StatusServiceUnavailable, "service "+name+" is not ready\n")
			return
		}
		writePlain(w, http.StatusOK, "\n")
	})
}

// unready returns the first service that is not ready, and why.
func (rt *Runtime) unready(ctx context.Context) (string, error) {
	probe := rt.cfg().RunnerProbe
	if probe.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, probe.Timeout)
		defer cancel()
	}
	for i, svc := range rt.services {
		if svc.ready == nil || i > 0 && !probe.Enabled {
			continue
		}
		if err := protectedCheck(ctx, svc.ready); err != nil {
			return svc.name, err
		}
	}
	return "", nil
}

// protectedCheck runs a check that may panic, or ignore its context.
func protectedCheck(ctx context.Context, check func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- protect(ctx, check) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
