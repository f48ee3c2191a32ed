package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/ekiben-serving/ekiben/runtime/internal/listening"
)

// HandOver starts the program of this process again, with its arguments, environment and
// folder, and gives it the listener of the app, whose [App.Run] serves on it. It returns nil
// when the new process serves, which is after its [Service.OnStart]. End the context of Run
// then: the app drains without shutdown.delay and leaves a socket file in place. No connection is
// refused meanwhile, because both processes have the listener.
//
// If the new process fails, it ends by itself; if ctx ends first, or the app drains, it is killed.
// Then the app serves on or drains, and HandOver logs the error and returns it. The error has the
// reason if the new process had begun to start its services; otherwise, such as for a configuration
// with errors, the reason is on the standard error that both processes share. HandOver fails, too, on a
// system that is not Unix, for an app that does not listen or drains, and while another call runs
// or after one that returned nil. Package ekiben calls HandOver on SIGUSR2.
func (a *App) HandOver(ctx context.Context) error {
	if ctx == nil {
		return errors.New("App.HandOver: the context must not be nil")
	}
	pid, err := a.handOver(ctx)
	if err != nil {
		a.log.logger.Error("not handed over", "error", err)
		return err
	}
	a.log.logger.Info("handed over", "process", pid)
	return nil
}

func (a *App) handOver(ctx context.Context) (pid int, err error) {
	listener := a.life.listener.Load()
	switch {
	case listener == nil || a.life.draining.Load():
		return 0, errNotServing
	case ctx.Err() != nil:
		return 0, fmt.Errorf("App.HandOver: the context has ended: %w", context.Cause(ctx))
	}
	return a.life.handing.run(ctx, func(ctx context.Context) (int, error) {
		a.log.logger.Info("starting the program again")
		return listening.HandOver(ctx, *listener)
	})
}

// givenAway ends a hand-over that runs, allows no other one, and reports whether another process
// serves on the listener. If so, Close leaves the socket file to that process.
func (a *App) givenAway(listener net.Listener) bool {
	given := a.life.handing.drain()
	if given {
		listening.KeepFile(listener)
	}
	return given
}

// tellReady tells the process that handed the listener over, if any, that this one serves.
func tellReady(listener net.Listener) {
	if given, ok := listener.(*listening.Given); ok {
		given.Ready()
	}
}

// tellFailed tells that process why this one ends, unless it was ready.
func tellFailed(listener net.Listener, err error) {
	if given, ok := listener.(*listening.Given); ok {
		given.Fail(err)
	}
}
