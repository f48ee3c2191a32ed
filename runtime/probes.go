package runtime

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/static"
)

// SetReadiness sets the check that /readyz calls. The service is ready if check returns nil and none of
// its batch functions hangs, see [HandleBatch]. Default and meaning of nil: the service is ready as
// soon as the app has started. /readyz also calls the checks of the other services, unless
// runner_probe.enabled is false. runner_probe.timeout limits the time of all checks together. Probes
// that arrive during a call of check share it: a check that ignores its context and never returns keeps
// the service unready.
//
// An error of the check is logged when the app becomes unready because of it. The
// response has the name of the service only.
func (s *Service) SetReadiness(check func(context.Context) error) {
	if s.app.tooLate("SetReadiness") {
		return
	}
	s.ready.all = nil
	if check != nil {
		s.ready.all = append(s.ready.all, check)
	}
}

// Live adds a check that /livez and /healthz call. They respond 503 if a check of any
// service of the app returns an error or panics, so that Kubernetes restarts the
// process. Without a check, a process that responds is alive. The checks are called
// after the app has started and until it stops. Several checks of a service are called
// in the order of their declaration, each if those before it have succeeded.
//
// The limits are those of [Service.SetReadiness]: runner_probe.timeout limits the time of
// all checks together, and probes share a call. The error is logged when it begins.
func (s *Service) Live(check func(ctx context.Context) error) { s.addHook("Live", &s.live.all, check) }

// probeCheck has the checks that a service declares for a probe.
type probeCheck struct {
	all []func(context.Context) error

	mu      sync.Mutex
	running *checking // nil: none runs
}

// checking is one call of the checks, which probes share.
type checking struct {
	ended chan struct{} // closed when err is set
	err   error
}

// readiness serves /readyz: 200 with a newline, or 503 with the reason.
func (a *App) readiness() http.Handler {
	return static.ReadOnly(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case a.life.draining.Load() && !a.life.handing.handedOver(): // else another process serves at this address
			static.Plain(w, http.StatusServiceUnavailable, "draining\n")
			return
		case a.life.startup.unready.Load():
			static.Plain(w, http.StatusServiceUnavailable, "starting\n")
			return
		}
		asked := a.services
		if !a.conf.Now().RunnerProbe.Enabled {
			asked = asked[:1]
		}
		a.respondProbe(w, r, asked, (*Service).readinessCheck, &a.life.unready, "ready")
	})
}

// liveness serves /livez: 200 with a newline, or 503 with the reason.
func (a *App) liveness() http.Handler {
	return static.ReadOnly(func(w http.ResponseWriter, r *http.Request) {
		asked := a.services
		if a.life.startup.unready.Load() || a.life.startup.finished.Load() {
			asked = nil
		}
		a.respondProbe(w, r, asked, (*Service).livenessCheck, &a.life.dead, "alive")
	})
}

func (s *Service) readinessCheck(ctx context.Context, timeout time.Duration) error {
	for _, one := range s.apis {
		if one.batch != nil && one.batch.queue.Hanging() {
			return fmt.Errorf("the batch function of %s hangs", one.name)
		}
	}
	return s.ready.call(ctx, timeout)
}

func (s *Service) livenessCheck(ctx context.Context, timeout time.Duration) error {
	return s.live.call(ctx, timeout)
}

// probe is what a probe asks of a service.
type probe = func(s *Service, ctx context.Context, timeout time.Duration) error

// respondProbe calls the checks of services, and responds. before has the name of the
// service that failed at the last probe: changes are logged.
func (a *App) respondProbe(w http.ResponseWriter, r *http.Request, asked []*Service, of probe, before *string, state string) {
	name, err := a.failing(r.Context(), asked, of)
	if r.Context().Err() != nil { // the prober has left, which says nothing of the app
		static.Plain(w, http.StatusServiceUnavailable, "no response in time\n")
		return
	}
	a.logProbe(before, name, err, state)
	if err != nil {
		static.Plain(w, http.StatusServiceUnavailable, "service "+name+" is not "+state+"\n")
		return
	}
	static.Plain(w, http.StatusOK, "\n")
}

// logProbe logs if a state has changed since the last probe.
func (a *App) logProbe(before *string, name string, err error, state string) {
	a.life.mu.Lock()
	same := name == *before
	*before = name
	a.life.mu.Unlock() // a handler of log lines may wait
	switch {
	case same:
	case err != nil:
		a.log.logger.Warn("not "+state, "service", name, "error", err)
	default:
		a.log.logger.Info(state)
	}
}

// failing returns the first service whose check fails, and why.
func (a *App) failing(ctx context.Context, asked []*Service, of probe) (string, error) {
	timeout := a.conf.Now().RunnerProbe.Timeout
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	for _, svc := range asked {
		if err := of(svc, ctx, timeout); err != nil {
			return svc.name, err
		}
	}
	return "", nil
}

// call calls the functions, which may panic or ignore their context. Concurrent probes
// share one call, so that a check that hangs holds one goroutine, and no memory for each probe.
func (c *probeCheck) call(ctx context.Context, timeout time.Duration) error {
	if len(c.all) == 0 {
		return nil
	}
	shared := c.share(context.WithoutCancel(ctx), timeout)
	select {
	case <-shared.ended:
		return shared.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// share returns the call that runs, or begins one.
func (c *probeCheck) share(ctx context.Context, timeout time.Duration) *checking {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil {
		return c.running
	}
	begun := &checking{ended: make(chan struct{}), err: errNoResult} // which stays if a check calls runtime.Goexit
	c.running = begun
	go func() {
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.running = nil
			close(begun.ended)
		}()
		if timeout > 0 {
			limited, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			ctx = limited
		}
		begun.err = protect(ctx, c.inOrder)
	}()
	return begun
}

func (c *probeCheck) inOrder(ctx context.Context) error {
	for _, one := range c.all {
		if err := one(ctx); err != nil {
			return err
		}
	}
	return nil
}
