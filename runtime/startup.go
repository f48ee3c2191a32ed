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

// begin says that declarations are errors from now on, until done.
func (s *startup) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting = true
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
