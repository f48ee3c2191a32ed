package tasking_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
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
	return engineOf(t, store, to, tasking.API{Name: name, Free: func() bool { return true }, Acquire: func() bool { return true }, Run: run})
}

// engineOf starts an engine that runs the tasks of an API.
func engineOf(t *testing.T, store tasks.Store, to *log, api tasking.API) *tasking.Engine {
	t.Helper()
	e := tasking.New(tasking.Settings{
		Store: store, Logger: slog.New(slog.NewTextHandler(to, nil)), Workers: 4, Attempts: 3, Lease: 3 * time.Second, Poll: time.Second,
		Limits:       tasks.Limits{TTL: time.Minute},
		FailedResult: func(text string) tasks.Result { return tasks.Result{Status: 500, Body: []byte(text)} },
		APIs:         []tasking.API{api},
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
