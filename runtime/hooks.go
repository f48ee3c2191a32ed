package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// OnStart adds a function that runs when the app starts, before the functions of
// [Service.Warm]. The services of [App.AddService] start before the entry service, in
// the order in which they were added, so that a service starts after those that it
// calls. Several functions run in the order of their declaration.
//
// [App.Run] and [App.Serve] listen already: until the app has started, /livez responds
// 200, /readyz and the APIs 503. [App.Handler] returns when the app has started.
//
// An error or a panic ends the start: Run, Serve or Handler returns it, after the
// services that have started were stopped. ctx ends when Run's context does, and with
// [App.Drain] and [App.Shutdown]. A start that ends for that reason is no error. start
// should then return: the app waits for it only for shutdown.grace.
func (s *Service) OnStart(start func(ctx context.Context) error) {
	s.addHook("OnStart", &s.onStart, start)
}

// Warm adds a function that prepares the service for its first request, such as one
// that calls the model once. It is called after the service's OnStart functions, with
// the same rules. [API.Call] works in it. ekiben_service_warm_time_seconds has the time
// that all Warm functions of the service took.
func (s *Service) Warm(warm func(ctx context.Context) error) { s.addHook("Warm", &s.warm, warm) }

// OnStop adds a function that runs when the app stops, in the reverse order of the
// starts: the entry service first, and the last declared function of a service first.
// It runs after the last request and the last batch, and before the last push of
// metrics. It is called if all OnStart functions of the service have succeeded, also if
// Warm failed then.
//
// ctx ends when shutdown.grace has passed since the drain began, but not before two
// seconds. After that, half a second is left: the function that still runs and those that were
// not called yet get equal shares of it, and the app waits no longer for any of them. An error or a panic is
// returned by Run, Serve or [App.Shutdown], and the other functions run.
func (s *Service) OnStop(stop func(ctx context.Context) error) { s.addHook("OnStop", &s.onStop, stop) }

func (s *Service) addHook(kind string, to *[]func(context.Context) error, hook func(context.Context) error) {
	switch {
	case s.app.tooLate(kind):
	case hook == nil:
		s.fail(fmt.Errorf("service %q: %s: the function must not be nil", s.name, kind))
	default:
		*to = append(*to, hook)
	}
}

// startup is the start of an app's services, which happens at most once.
type startup struct {
	unready  atomic.Bool // the start has begun and has not succeeded
	finished atomic.Bool // the services were stopped, or are about to be

	mu     sync.Mutex
	over   bool               // no start may begin
	cancel context.CancelFunc // ends the start; nil: it has not begun
	ended  chan struct{}      // closed when the start has ended; nil: it has not begun

	// The goroutine of the start writes err, until ended is closed.
	err error // why the start failed; nil also if it was ended

	started  []*Service // whose OnStart functions have succeeded; guarded by mu
	starting bool       // guarded by mu
	late     []error    // of declarations while it starts; guarded by mu
}

// hasStart reports whether a service has functions that run when the app starts.
func (a *App) hasStart() bool {
	return slices.ContainsFunc(a.services, func(s *Service) bool { return len(s.onStart)+len(s.warm) > 0 })
}

// start starts the services, once. A second call returns the result of the first. The
// error is [ErrServed] if the app was stopped meanwhile.
func (a *App) start(ctx context.Context) error {
	s := &a.life.startup
	s.mu.Lock()
	if s.over || s.ended != nil {
		ended := s.ended
		s.mu.Unlock()
		if ended != nil {
			<-ended
		}
		return s.result()
	}
	s.unready.Store(true)
	s.ended, s.starting = make(chan struct{}), true
	ctx, s.cancel = context.WithCancel(ctx)
	s.mu.Unlock()
	defer close(s.ended)
	defer s.cancel()
	err := s.done(a.startServices(ctx))
	switch {
	case err == nil:
		s.unready.Store(false)
	case ctx.Err() == nil || !errors.Is(err, ctx.Err()): // else it was ended, and did not fail
		s.err = err
	}
	return s.result()
}

// result returns the error of a start that has ended, or that never will begin.
func (s *startup) result() error {
	if s.err == nil && (s.ended == nil || s.unready.Load()) {
		return ErrServed
	}
	return s.err
}

// done joins the errors of declarations to that of the start.
func (s *startup) done(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.starting = false; len(s.late) == 0 {
		return err
	}
	return errors.Join(append([]error{err}, s.late...)...)
}

// forbid ends the start, or the chance of one, and returns what is closed when it has
// ended; nil: it never began.
func (s *startup) forbid() (ended <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.cancel != nil {
		s.cancel()
	}
	return s.ended
}

// wait returns the error of a start when ended is closed. It waits no longer than half a
// second after the end of ctx.
func (s *startup) wait(ctx context.Context, ended <-chan struct{}) error {
	select {
	case <-ended:
		return s.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(stopPatience)
	defer timer.Stop()
	select {
	case <-ended:
		return s.err
	case <-timer.C:
		return fmt.Errorf("App.Shutdown: the start of the services still runs %s after the context ended; the app does not wait for it any longer: %w", stopPatience, ctx.Err())
	}
}

// succeeded adds a service to those that are stopped.
func (s *startup) succeeded(svc *Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = append(s.started, svc)
}

// toStop returns the services that have started, the last one first.
func (s *startup) toStop() []*Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := slices.Clone(s.started)
	slices.Reverse(last)
	return last
}

// startServices starts the services of the app one after the other.
func (a *App) startServices(ctx context.Context) error {
	for _, svc := range append(slices.Clone(a.services[1:]), a.services[0]) {
		begin, has := time.Now(), len(svc.onStart)+len(svc.warm) > 0
		if has {
			a.log.logger.Info("starting", "service", svc.name)
		}
		if err := svc.runHooks(ctx, "OnStart", svc.onStart, a.conf.Now().Shutdown.Grace); err != nil {
			return err
		}
		a.life.startup.succeeded(svc)
		warming := time.Now()
		if err := svc.runHooks(ctx, "Warm", svc.warm, a.conf.Now().Shutdown.Grace); err != nil {
			return err
		}
		if len(svc.warm) > 0 {
			svc.metrics.Warmed(time.Since(warming))
		}
		if has {
			a.log.logger.Info("started", "service", svc.name, "took", time.Since(begin).Round(time.Millisecond).String())
		}
	}
	return nil
}

// stopServices stops the services that have started, the last one first. After the end of
// ctx, each function gets its share of the patience that is left, so that one that hangs
// takes no time from those after it.
func (a *App) stopServices(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max(limit, flushTimeout))
	defer cancel()
	var errs []error
	services, left, patience := a.life.startup.toStop(), 0, stopPatience
	for _, svc := range services {
		left += len(svc.onStop)
	}
	for _, svc := range services {
		for i := range slices.Backward(svc.onStop) {
			late, err := svc.runHook(ctx, "OnStop", svc.onStop, i, patience/time.Duration(left))
			errs = append(errs, err)
			left, patience = left-1, max(0, patience-late)
		}
		if len(svc.onStop) > 0 {
			a.log.logger.Info("stopped", "service", svc.name)
		}
	}
	return errors.Join(errs...)
}

// runHooks runs functions until one fails or ctx ends.
func (s *Service) runHooks(ctx context.Context, kind string, all []func(context.Context) error, patience time.Duration) error {
	for i := range all {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := s.runHook(ctx, kind, all, i, patience); err != nil {
			return err
		}
	}
	return nil
}

// runHook runs one function in a goroutine, which it leaves when patience has passed
// after the end of ctx. late is how long it has waited after that end. The error names the
// place.
func (s *Service) runHook(ctx context.Context, kind string, all []func(context.Context) error, i int, patience time.Duration) (late time.Duration, err error) {
	where := fmt.Sprintf("service %q: %s", s.name, kind)
	if len(all) > 1 {
		where = fmt.Sprintf("%s %d of %d", where, i+1, len(all))
	}
	done := make(chan error, 1)
	go func() {
		err := errNoResult // stays if the function calls runtime.Goexit
		defer func() { done <- err }()
		err = protect(context.WithValue(ctx, appKey{}, s.app), all[i])
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		end, timer := time.Now(), time.NewTimer(patience)
		defer timer.Stop()
		select {
		case err = <-done:
		case <-timer.C:
			return patience, fmt.Errorf("%s: still runs %s after its context ended; the app does not wait for it any longer", where, patience.Round(time.Millisecond))
		}
		late = time.Since(end)
	}
	if err == nil {
		return late, nil
	}
	var panicked *panicError
	if errors.As(err, &panicked) {
		s.app.log.logger.Error("function panicked", "place", where, "error", err, "stack", string(panicked.stack))
	}
	return late, fmt.Errorf("%s: %w", where, err)
}
