package runtime

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Ready gives the service a check that /readyz asks: nil is ready. A service
// that has none is ready as soon as it is served. The checks of services that
// the entry service depends on are asked too, unless runner_probe.enabled is
// false; all of them together may take runner_probe.timeout.
//
// What a check returns goes to the log, when it is the first time that it
// keeps the app from being ready; the answer names the service only.
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
		name, err := rt.unready(r.Context())
		rt.logReadiness(name, err)
		if err != nil {
			writePlain(w, http.StatusServiceUnavailable, "service "+name+" is not ready\n")
			return
		}
		writePlain(w, http.StatusOK, "\n")
	})
}

// logReadiness logs what has changed since the last probe, which come every few
// seconds: that another service keeps the app from being ready, or none does.
func (rt *Runtime) logReadiness(name string, err error) {
	rt.probed.Lock()
	defer rt.probed.Unlock()
	switch {
	case name == rt.probed.unready:
		return
	case err != nil:
		rt.logger.Warn("not ready", "service", name, "error", err)
	default:
		rt.logger.Info("ready")
	}
	rt.probed.unready = name
}

// probed is what the last probe found.
type probed struct {
	sync.Mutex
	unready string // the service that was not ready; "": all were
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
		if err := svc.check(ctx, probe.Timeout); err != nil {
			return svc.name, err
		}
	}
	return "", nil
}

// check asks the service's own check, which may panic, or ignore its context.
// Probes that come while it runs wait for the same answer, so that one that
// hangs holds one goroutine, however often it is asked for.
func (s *Service) check(ctx context.Context, timeout time.Duration) error {
	answer := s.checking.DoChan("", func() (any, error) {
		ctx := context.WithoutCancel(ctx) // others may wait for it too
		if timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		return nil, protect(ctx, s.ready)
	})
	select {
	case got := <-answer:
		return got.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}
