package tasking_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/internal/tasking"
	"github.com/ekiben-serving/ekiben/tasks"
)

// While the store is away, its users get ErrUnavailable, the log says so once, and
// a run that ends keeps its result until the store is back.
func TestStoreAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	synctest.Test(t, func(t *testing.T) {
		store, to := newStore(t, path), &log{}
		store.fail(errors.New("connection refused"))
		e := engine(t, store, to, func(context.Context, *tasks.Run) tasks.Result {
			time.Sleep(time.Second) // of the bubble
			return done(nil, nil)
		})
		submit := func() error {
			_, err := e.Submit(t.Context(), tasks.Submission{ID: tasking.NewID(), API: name})
			return err
		}
		if err := submit(); !errors.Is(err, tasks.ErrUnavailable) {
			t.Errorf("before the first success: %v", err)
		}
		store.fail(nil)
		time.Sleep(2 * time.Second)
		id := add(t, e)
		time.Sleep(time.Second / 2)
		store.fail(errors.New("disk I/O error"))
		time.Sleep(10 * time.Second)
		if err := submit(); !errors.Is(err, tasks.ErrUnavailable) {
			t.Errorf("later: %v", err)
		}
		if _, err := e.Get(t.Context(), name, id); !errors.Is(err, tasks.ErrUnavailable) {
			t.Errorf("get: %v", err)
		}
		store.fail(nil)
		if got := wait(t, e, id); got != tasks.Completed {
			t.Error(got)
		}
		check.Must(t, e.Stop(t.Context()))
		if away, back := to.count("is away"), to.count("works again"); away != 2 || back != 2 {
			t.Errorf("%d times away, %d times back:\n%s", away, back, to.text.String())
		}
	})
}

// A use that failed once and is not repeated does not keep the store away for ever.
func TestStoreIsBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	synctest.Test(t, func(t *testing.T) {
		store, to := newStore(t, path), &log{}
		e := tasking.New(tasking.Settings{Store: store, Logger: slog.New(slog.NewTextHandler(to, nil)), Lease: time.Minute, Poll: time.Second})
		check.Must(t, e.Start(t.Context()))
		store.fail(errors.New("disk I/O error"))
		_, err := e.Get(t.Context(), name, tasking.NewID())
		check.Equal(t, errors.Is(err, tasks.ErrUnavailable), true)
		store.away.Store(nil)
		time.Sleep(59 * time.Second)
		check.Equal(t, to.count("works again"), 0)
		time.Sleep(10 * time.Second)
		check.Equal(t, to.count("works again"), 1)
		check.Must(t, e.Stop(t.Context()))
	})
}

// lossy is a store whose answers to the first claim and the first release are lost after
// it has done the one and not the other.
type lossy struct {
	tasks.Store

	claims, releases atomic.Int32
}

func (l *lossy) Claim(ctx context.Context, api, worker string, lease time.Duration) (*tasks.Run, error) {
	run, err := l.Store.Claim(ctx, api, worker, lease)
	if run != nil && l.claims.Add(1) == 1 {
		return nil, errReset
	}
	return run, err
}

// A task that the store holds for a process that does not run it is given back, and runs.
func TestLostAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	synctest.Test(t, func(t *testing.T) {
		to := &log{}
		e := engine(t, &lossy{Store: newStore(t, path)}, to, done)
		id := add(t, e)
		if got := wait(t, e, id); got != tasks.Completed {
			t.Error(got)
		}
		check.Equal(t, to.count("a task that nobody ran was given back"), 1)
		check.Must(t, e.Stop(t.Context()))
	})
}

var errReset = errors.New("connection reset by peer")

func (l *lossy) Release(ctx context.Context, run *tasks.Run) error {
	if l.releases.Add(1) == 1 {
		return errReset
	}
	return l.Store.Release(ctx, run)
}
