package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
// ctx ends shutdown.grace after the drain began, but at the earliest after two seconds. Then the app
// waits half a second more, shared equally by the function that runs and those not yet called, and
// returns without them. An error or a panic is returned by Run, Serve or [App.Shutdown], and the other
// functions run.
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

// hasStart reports whether a service has functions that run when the app starts.
func (a *App) hasStart() bool {
	return slices.ContainsFunc(a.services, func(s *Service) bool { return len(s.onStart)+len(s.warm) > 0 })
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
