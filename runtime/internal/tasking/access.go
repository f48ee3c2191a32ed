package tasking

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekiben-serving/ekiben/tasks"
)

// access is the way to a store that can be away.
type access struct {
	tasks.Store

	logger   *slog.Logger
	prepared atomic.Bool
	closed   atomic.Bool

	mu     sync.Mutex
	away   string    // the use that failed, until the store is back; "": none
	failed time.Time // when a use last failed
	said   time.Time // when the log last said that the store is away
}

// storeTimeout limits each use of the store.
const storeTimeout = 10 * time.Second

// start prepares the store. A store that is away is no error.
func (a *access) start(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := a.Prepare(limited)
	a.prepared.Store(err == nil)
	if errors.Is(err, tasks.ErrUnavailable) {
		a.reached("prepare", err)
		return nil
	}
	return err
}

// ready returns an error while the store is not prepared.
func (a *access) ready() error {
	if !a.prepared.Load() {
		return tasks.ErrUnavailable
	}
	return nil
}

// prepare prepares the store if it was away at the start.
func (a *access) prepare(ctx context.Context) error {
	if a.prepared.Load() {
		return nil
	}
	err := a.use(ctx, "prepare", a.Prepare)
	a.prepared.Store(err == nil)
	return err
}

// use calls the store within a time limit, and logs when it goes away and comes back. An
// error that is none of those of package tasks becomes [tasks.ErrUnavailable].
func (a *access) use(ctx context.Context, what string, call func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := call(limited)
	for _, known := range []error{nil, tasks.ErrNotFound, tasks.ErrEnded, tasks.ErrKeyReused, tasks.ErrLost} {
		if errors.Is(err, known) {
			a.reached(what, nil)
			return err
		}
	}
	switch {
	case a.closed.Load():
		return fmt.Errorf("%w: the app has ended", tasks.ErrUnavailable)
	case ctx.Err() != nil: // the caller left
		return err
	}
	a.reached(what, err)
	if !errors.Is(err, tasks.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", tasks.ErrUnavailable, err)
	}
	return err
}

// repeatAfter is how long the log does not repeat that the store is away, or full.
const repeatAfter = time.Minute

// reached logs when the store goes away and comes back. It is back when the use succeeds
// that failed first, because on a full disk reads still succeed, or when no use has failed
// for a minute.
func (a *access) reached(what string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	switch {
	case err != nil && (a.away == "" || now.Sub(a.said) >= repeatAfter):
		a.away, a.failed, a.said = what, now, now
		a.logger.Error("the store of the tasks is away; requests of tasks get a 503 until it is back", "use", what, "error", err)
	case err != nil:
		a.failed = now
	case a.away == what, a.away != "" && now.Sub(a.failed) >= repeatAfter:
		a.away = ""
		a.logger.Info("the store of the tasks works again")
	}
}
