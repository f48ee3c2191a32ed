package runtime

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/static"
)

// SetReadiness sets the check that /readyz calls. The service is ready if check
// returns nil. Default and meaning of nil: the service is ready as soon as it is
// served. /readyz also calls the checks of the other services, unless
// runner_probe.enabled is false. runner_probe.timeout limits the time of all checks
// together. Probes that arrive during a call of check share it: a check that ignores
// its context and never returns keeps the service unready.
//
// An error of the check is logged when the app becomes unready because of it. The
// response has the name of the service only.
func (s *Service) SetReadiness(check func(context.Context) error) {
	if !s.app.tooLate("SetReadiness") {
		s.ready = check
	}
}

// readiness serves /readyz: 200 with a newline, or 503 with the reason.
func (a *App) readiness() http.Handler {
	return static.ReadOnly(func(w http.ResponseWriter, r *http.Request) {
		if a.life.draining.Load() {
			static.Plain(w, http.StatusServiceUnavailable, "draining\n")
			return
		}
		name, err := a.unready(r.Context())
		a.logReadiness(name, err)
		if err != nil {
			static.Plain(w, http.StatusServiceUnavailable, "service "+name+" is not ready\n")
			return
		}
		static.Plain(w, http.StatusOK, "\n")
	})
}

// logReadiness logs if the readiness has changed since the last probe.
func (a *App) logReadiness(name string, err error) {
	a.life.mu.Lock()
	defer a.life.mu.Unlock()
	switch {
	case name == a.life.unready:
		return
	case err != nil:
		a.log.logger.Warn("not ready", "service", name, "error", err)
	default:
		a.log.logger.Info("ready")
	}
	a.life.unready = name
}

// unready returns the first service that is not ready, and why.
func (a *App) unready(ctx context.Context) (string, error) {
	probe := a.conf.Now().RunnerProbe
	if probe.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, probe.Timeout)
		defer cancel()
	}
	for i, svc := range a.services {
		if svc.ready == nil || i > 0 && !probe.Enabled {
			continue
		}
		if err := svc.check(ctx, probe.Timeout); err != nil {
			return svc.name, err
		}
	}
	return "", nil
}

// check calls the readiness check of the service, which may panic or ignore its
// context. Concurrent probes share one call, so that a check that hangs blocks only
// one goroutine.
func (s *Service) check(ctx context.Context, timeout time.Duration) error {
	result := s.checking.DoChan("", func() (any, error) {
		ctx := context.WithoutCancel(ctx) // other probes may share this call
		if timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		err := errNoResult // stays if the check calls runtime.Goexit, which would end all probes
		var running sync.WaitGroup
		running.Go(func() { err = protect(ctx, s.ready) })
		running.Wait()
		return nil, err
	})
	select {
	case got := <-result:
		return got.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}
