package tasking_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/internal/tasking"
	"github.com/ekiben-serving/ekiben/tasks"
	"github.com/ekiben-serving/ekiben/tasks/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "Kinds/slowly"

// memory is a store with an error that a test sets, on the clock of the test. It is SQLite
// in a file: what is tested here is the engine.
type memory struct {
	tasks.Store

	away atomic.Pointer[error]
}

func newStore(t *testing.T, path string) *memory {
	t.Helper()
	s := check.Value(sqlite.Open(tasks.Config{Path: path}))(t)
	return &memory{Store: s}
}

func (m *memory) fail(err error) { m.away.Store(&err) }

func (m *memory) err() error {
	if err := m.away.Load(); err != nil {
		return *err
	}
	return nil
}

func (m *memory) Prepare(ctx context.Context) error {
	if err := m.err(); err != nil {
		return fmt.Errorf("%w: %w", tasks.ErrUnavailable, err)
	}
	return m.Store.Prepare(ctx)
}

func (m *memory) Submit(ctx context.Context, s tasks.Submission) (tasks.Record, error) {
	if err := m.err(); err != nil {
		return tasks.Record{}, err
	}
	return m.Store.Submit(ctx, s)
}

func (m *memory) Claim(ctx context.Context, api, worker string, lease time.Duration) (*tasks.Run, error) {
	if err := m.err(); err != nil {
		return nil, err
	}
	return m.Store.Claim(ctx, api, worker, lease)
}

func (m *memory) Extend(ctx context.Context, worker string, lease time.Duration) ([]tasks.Held, error) {
	if err := m.err(); err != nil {
		return nil, err
	}
	return m.Store.Extend(ctx, worker, lease)
}

func (m *memory) Finish(ctx context.Context, run *tasks.Run, status tasks.Status, result tasks.Result) error {
	if err := m.err(); err != nil {
		return err
	}
	return m.Store.Finish(ctx, run, status, result)
}

func (m *memory) Get(ctx context.Context, api, id string) (tasks.Record, error) {
	if err := m.err(); err != nil {
		return tasks.Record{}, err
	}
	return m.Store.Get(ctx, api, id)
}

// log is a log that a test reads.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// engine starts an engine whose function is run.
func engine(t *testing.T, store tasks.Store, to *log, run func(context.Context, *tasks.Run) tasks.Result) *tasking.Engine {
	t.Helper()
	e := tasking.New(tasking.Settings{
		Store: store, Logger: slog.New(slog.NewTextHandler(to, nil)), Workers: 4, Attempts: 3, Lease: 3 * time.Second, Poll: time.Second,
		Limits:       tasks.Limits{TTL: time.Minute},
		FailedResult: func(text string) tasks.Result { return tasks.Result{Status: 500, Body: []byte(text)} },
		APIs:         []tasking.API{{Name: name, Free: func() bool { return true }, Acquire: func() bool { return true }, Run: run}},
	})
	check.Must(t, e.Start(t.Context()))
	e.Begin()
	e.Begin()
	return e
}

func add(t *testing.T, e *tasking.Engine) string {
	t.Helper()
	return check.Value(e.Submit(t.Context(), tasks.Submission{ID: tasking.NewID(), API: name}))(t).ID
}

func done(context.Context, *tasks.Run) tasks.Result {
	return tasks.Result{Status: 200, Body: []byte("done")}
}

// wait waits until a task has ended, on the fake clock.
func wait(t *testing.T, e *tasking.Engine, id string) tasks.Status {
	t.Helper()
	for range 10000 {
		if rec, err := e.Get(t.Context(), name, id); err == nil && rec.Status.Ended() {
			return rec.Status
		}
		time.Sleep(100 * time.Millisecond) // of the bubble
	}
	t.Fatal("the task does not end")
	return ""
}

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
			var runs atomic.Int32
			e := engine(t, newStore(t, path), &log{}, func(context.Context, *tasks.Run) tasks.Result { runs.Add(1); return done(nil, nil) })
			if got := wait(t, e, id); got != want || (runs.Load() == 1) != (want == tasks.Completed) {
				t.Errorf("after %d deaths: %s, %d runs", deaths, got, runs.Load())
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
	path := filepath.Join(t.TempDir(), "tasks.db")
	synctest.Test(t, func(t *testing.T) {
		release, entered := make(chan struct{}), make(chan struct{})
		e := engine(t, newStore(t, path), &log{}, func(context.Context, *tasks.Run) tasks.Result {
			close(entered)
			<-release
			return done(nil, nil)
		})
		id := add(t, e)
		<-entered
		check.Must(t, e.Stop(t.Context()))
		close(release)
		synctest.Wait()
		next := newStore(t, path)
		check.Must(t, next.Prepare(t.Context()))
		if rec := check.Value(next.Get(t.Context(), name, id))(t); rec.Status != tasks.Waiting {
			t.Errorf("%+v", rec)
		}
		check.Must(t, next.Close())
	})
}

// lossy is a store whose answers to the first claim and the first release are lost after
// it has done the one and not the other.
type lossy struct {
	tasks.Store

	claims, releases atomic.Int32
}

var errReset = errors.New("connection reset by peer")

func (l *lossy) Claim(ctx context.Context, api, worker string, lease time.Duration) (*tasks.Run, error) {
	run, err := l.Store.Claim(ctx, api, worker, lease)
	if run != nil && l.claims.Add(1) == 1 {
		return nil, errReset
	}
	return run, err
}

func (l *lossy) Release(ctx context.Context, run *tasks.Run) error {
	if l.releases.Add(1) == 1 {
		return errReset
	}
	return l.Store.Release(ctx, run)
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

// stats is a store that returns the same map each time.
type stats struct {
	*memory

	all map[string]tasks.Stats
}

func (s *stats) Stats(context.Context) (map[string]tasks.Stats, error) { return s.all, nil }

// What the engine does while it reads the numbers changes neither the numbers that it
// reports nor the map of the store, which may be nil.
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
			check.Equal(t, n, 0)
		}
		check.Equal(t, store.all[name], tasks.Stats{})
	}
}

// The log says once a minute that the store is full, and which keys allow more. A key
// that is known is no new task.
func TestFullStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to log
		e := tasking.New(tasking.Settings{
			Store: newStore(t, filepath.Join(t.TempDir(), "tasks.db")), Logger: slog.New(slog.NewTextHandler(&to, nil)), Lease: time.Minute, Poll: time.Minute, MaxPending: 1,
			Limits: tasks.Limits{MaxBytes: 1000},
		})
		check.Must(t, e.Start(t.Context()))
		sub := tasks.Submission{ID: tasking.NewID(), API: name, Key: "a", Digest: []byte{1}}
		first := check.Value(e.Submit(t.Context(), sub))(t)
		for _, one := range []struct {
			key    string
			digest byte
			bytes  int
			want   error
		}{{"", 1, 0, tasks.ErrFull}, {"b", 1, 0, tasks.ErrFull}, {"a", 2, 0, tasks.ErrKeyReused}, {"a", 1, 0, nil}, {"b", 1, 1001, tasks.ErrTooLarge}} {
			rec, err := e.Submit(t.Context(), tasks.Submission{ID: tasking.NewID(), API: name, Key: one.key, Digest: []byte{one.digest}, Request: tasks.Request{Body: make([]byte, one.bytes)}})
			if !errors.Is(err, one.want) || err == nil && rec.ID != first.ID {
				t.Errorf("%+v: %+v, %v", one, rec, err)
			}
		}
		check.Equal(t, to.count("tasks.max_pending"), 1)
		time.Sleep(time.Minute)
		_, _ = e.Submit(t.Context(), tasks.Submission{ID: tasking.NewID(), API: name})
		check.Equal(t, to.count("tasks.max_pending"), 2)
		check.Must(t, e.Stop(t.Context()))
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

// Ended tasks are deleted for a new one only if that makes room, and then as many as needed.
func TestRoom(t *testing.T) {
	for text, one := range map[string]struct {
		ended, size, waiting, add int
		want                      error
		left                      int
	}{
		"pointless": {5, 100, 900_000, 200_000, tasks.ErrFull, 5},
		"many":      {700, 800, 0, 900_000, nil, 140},
		"one":       {2, 400_000, 0, 300_000, nil, 1},
	} {
		e := tasking.New(tasking.Settings{
			Store: newStore(t, filepath.Join(t.TempDir(), "tasks.db")), Logger: slog.New(slog.DiscardHandler), Lease: time.Minute, Poll: time.Minute,
			Limits: tasks.Limits{TTL: time.Hour, MaxBytes: 1 << 20},
		})
		check.Must(t, e.Start(t.Context()))
		submit := func(bytes int) (string, error) {
			rec, err := e.Submit(t.Context(), tasks.Submission{ID: tasking.NewID(), API: name, Request: tasks.Request{Body: make([]byte, bytes)}})
			return rec.ID, err
		}
		ids := make([]string, one.ended)
		for i := range ids {
			ids[i] = check.Value(submit(one.size))(t)
			check.Value(e.Cancel(t.Context(), name, ids[i]))(t)
		}
		if one.waiting > 0 {
			check.Value(submit(one.waiting))(t)
		}
		if _, err := submit(one.add); !errors.Is(err, one.want) {
			t.Errorf("%s: %v", text, err)
		}
		left := 0
		for _, id := range ids {
			if _, err := e.Get(t.Context(), name, id); err == nil {
				left++
			}
		}
		if left > one.left+60 || left < one.left-60 { // each has some bytes beside its body
			t.Errorf("%s: %d ended tasks are left, want about %d", text, left, one.left)
		}
		check.Must(t, e.Stop(t.Context()))
	}
}
