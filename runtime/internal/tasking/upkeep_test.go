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

// stats is a store that returns the same map each time.
type stats struct {
	*memory

	all map[string]tasks.Stats
}

func (s *stats) Stats(context.Context) (map[string]tasks.Stats, error) { return s.all, nil }

// What the engine does while it reads the numbers is in the numbers that it reports. It
// does not change the map of the store, which may be nil.
func TestNumbersAreCopied(t *testing.T) {
	for _, all := range []map[string]tasks.Stats{nil, {name: {}}} {
		store := &stats{newStore(t, filepath.Join(t.TempDir(), "tasks.db")), all}
		var e *tasking.Engine
		var waiting []int
		api := func(name string, counted func(tasks.Stats)) tasking.API {
			return tasking.API{Name: name, Free: func() bool { return false }, Observe: tasking.Observer{Counted: counted}}
		}
		e = tasking.New(tasking.Settings{Store: store, Logger: slog.New(slog.DiscardHandler), Lease: time.Minute, Poll: time.Minute, APIs: []tasking.API{
			api("first", func(tasks.Stats) { add(t, e) }),
			api(name, func(s tasks.Stats) { waiting = append(waiting, s.Waiting) }),
		}})
		check.Must(t, e.Start(t.Context()))
		check.Must(t, e.Stop(t.Context()))
		for _, n := range waiting {
			check.Equal(t, n, 1)
		}
		check.Equal(t, store.all[name], tasks.Stats{})
	}
}

// sweeping is a store whose sweeps take long and do not end.
type sweeping struct{ *memory }

func (s *sweeping) Sweep(context.Context, tasks.Limits) (int, error) {
	time.Sleep(300 * time.Millisecond)
	return 500, nil
}

// Leases are extended while the store is swept.
func TestLeasesDuringSweeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		slow := func(context.Context, *tasks.Run) tasks.Result {
			runs.Add(1)
			time.Sleep(8 * time.Second)
			return done(nil, nil)
		}
		one, two := engine(t, &sweeping{newStore(t, path)}, &log{}, slow), engine(t, newStore(t, path), &log{}, slow)
		check.Equal(t, wait(t, one, add(t, one)), tasks.Completed)
		check.Equal(t, runs.Load(), 1)
		check.Must(t, one.Stop(t.Context()), two.Stop(t.Context()))
	})
}

// A task that another process cancels ends here at the next look.
func TestCancelElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	synctest.Test(t, func(t *testing.T) {
		entered, left := make(chan struct{}), make(chan time.Time, 1)
		one := engine(t, newStore(t, path), &log{}, func(ctx context.Context, _ *tasks.Run) tasks.Result {
			close(entered)
			<-ctx.Done()
			left <- time.Now()
			return tasks.Result{Status: 500}
		})
		id := add(t, one)
		<-entered
		time.Sleep(time.Second)
		var ran time.Duration
		two := tasking.New(tasking.Settings{Store: newStore(t, path), Logger: slog.New(slog.DiscardHandler), Lease: 3 * time.Second, Poll: time.Second, Limits: tasks.Limits{TTL: time.Minute}, APIs: []tasking.API{
			{Name: name, Free: func() bool { return false }, Observe: tasking.Observer{Ended: func(_ tasks.Status, took time.Duration) { ran = took }}},
		}})
		check.Must(t, two.Start(t.Context()))
		check.Value(two.Cancel(t.Context(), name, id))(t)
		check.Equal(t, ran >= time.Second, true)
		if took := time.Until(<-left).Abs(); took > 2*time.Second {
			t.Errorf("noticed after %s", took)
		}
		check.Must(t, one.Stop(t.Context()), two.Stop(t.Context()))
		last := newStore(t, path)
		check.Must(t, last.Prepare(t.Context()))
		if rec := check.Value(last.Get(t.Context(), name, id))(t); rec.Status != tasks.Cancelled {
			t.Errorf("%+v", rec)
		}
		check.Must(t, last.Close())
	})
}

// Ended tasks expire.
func TestExpiry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, newStore(t, path), &log{}, done)
		id := add(t, e)
		wait(t, e, id)
		time.Sleep(59 * time.Second)
		check.Value(e.Get(t.Context(), name, id))(t)
		time.Sleep(20 * time.Second)
		if _, err := e.Get(t.Context(), name, id); !errors.Is(err, tasks.ErrNotFound) {
			t.Errorf("after its time: %v", err)
		}
		check.Must(t, e.Stop(t.Context()))
	})
}
