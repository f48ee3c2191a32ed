package tasking_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/internal/tasking"
	"github.com/ekiben-serving/ekiben/tasks"
)

// A task that another process left runs after its lease, and fails when it has killed
// three.
func TestKilledProcesses(t *testing.T) {
	for deaths, want := range map[int]tasks.Status{1: tasks.Completed, 2: tasks.Completed, 3: tasks.Failed} {
		path := filepath.Join(t.TempDir(), "tasks.db")
		synctest.Test(t, func(t *testing.T) {
			dead := newStore(t, path)
			check.Must(t, dead.Prepare(t.Context()))
			id := tasking.NewID()
			check.Value(dead.Submit(t.Context(), tasks.Submission{ID: id, API: name}))(t)
			for n := range deaths {
				if run := check.Value(dead.Claim(t.Context(), name, fmt.Sprint(n), 3*time.Second))(t); run == nil || run.Deaths != n {
					t.Fatalf("%+v", run)
				}
				time.Sleep(4 * time.Second) // of the bubble
			}
			check.Must(t, dead.Close())
			var tries, runs, retaken atomic.Int32
			e := engineOf(t, newStore(t, path), &log{}, tasking.API{
				Name: name, Free: func() bool { return true }, Acquire: func() bool { return tries.Add(1) > 3 }, // other requests are faster
				Run:     func(context.Context, *tasks.Run) tasks.Result { runs.Add(1); return done(nil, nil) },
				Observe: tasking.Observer{Retaken: func() { retaken.Add(1) }},
			})
			ran := int32(0)
			if want == tasks.Completed {
				ran = 1
			}
			if got := wait(t, e, id); got != want || runs.Load() != ran || retaken.Load() != ran {
				t.Errorf("after %d deaths: %s, %d runs, %d retaken", deaths, got, runs.Load(), retaken.Load())
			}
			check.Must(t, e.Stop(t.Context()))
		})
	}
}

// A task that runs longer than its lease keeps it.
func TestLongRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		slow := func(context.Context, *tasks.Run) tasks.Result {
			runs.Add(1)
			time.Sleep(30 * time.Second) // of the bubble
			return done(nil, nil)
		}
		one, two := engine(t, newStore(t, path), &log{}, slow), engine(t, newStore(t, path), &log{}, slow)
		id := add(t, one)
		if got := wait(t, two, id); got != tasks.Completed || runs.Load() != 1 {
			t.Errorf("%s, %d runs", got, runs.Load())
		}
		check.Must(t, one.Stop(t.Context()), two.Stop(t.Context()))
	})
}

// A drained engine claims nothing. At its stop, what runs is given back, and another
// engine runs it at once.
func TestDrain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	synctest.Test(t, func(t *testing.T) {
		entered := make(chan struct{}, 1)
		first := engine(t, newStore(t, path), &log{}, func(ctx context.Context, _ *tasks.Run) tasks.Result {
			entered <- struct{}{}
			<-ctx.Done()
			return tasks.Result{Status: 500}
		})
		running := add(t, first)
		<-entered
		first.Drain()
		waiting := add(t, first)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		before := time.Now()
		first.Wait(ctx) // until the end of the grace
		if took := time.Since(before); took != time.Minute {
			t.Errorf("waited %s", took)
		}
		check.Must(t, first.Stop(t.Context()))
		before = time.Now()
		var deaths atomic.Int32
		next := engine(t, newStore(t, path), &log{}, func(_ context.Context, run *tasks.Run) tasks.Result {
			deaths.Add(int32(run.Deaths))
			return done(nil, nil)
		})
		for _, id := range []string{running, waiting} {
			if got := wait(t, next, id); got != tasks.Completed {
				t.Error(got)
			}
		}
		if took := time.Since(before); took >= 3*time.Second || deaths.Load() != 0 {
			t.Errorf("the next engine waited %s, %d deaths", took, deaths.Load())
		}
		check.Must(t, next.Stop(t.Context()))
	})
}

// A task whose function ignores the end of its context is given back too.
func TestStubbornFunction(t *testing.T) {
	for _, status := range []int{200, 500} {
		synctest.Test(t, func(t *testing.T) { stubborn(t, status) })
	}
}

func stubborn(t *testing.T, status int) {
	path, to := filepath.Join(t.TempDir(), "tasks.db"), &log{}
	release, entered := make(chan struct{}), make(chan struct{})
	e := engine(t, newStore(t, path), to, func(context.Context, *tasks.Run) tasks.Result {
		close(entered)
		<-release
		return tasks.Result{Status: status}
	})
	id := add(t, e)
	<-entered
	check.Must(t, e.Stop(t.Context()))
	close(release)
	synctest.Wait()
	check.Equal(t, to.count("is away"), 0) // the store was closed
	next := newStore(t, path)
	check.Must(t, next.Prepare(t.Context()))
	if rec := check.Value(next.Get(t.Context(), name, id))(t); rec.Status != tasks.Waiting {
		t.Errorf("%+v", rec)
	}
	check.Must(t, next.Close())
}
