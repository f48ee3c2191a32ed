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

// asked is a store that counts how often it is asked for its numbers.
type asked struct {
	tasks.Store
	times atomic.Int32
}

func (a *asked) Stats(ctx context.Context) (map[string]tasks.Stats, error) {
	a.times.Add(1)
	return a.Store.Stats(ctx)
}

// Clients that try again and again do not make a full store busy.
func TestFullStoreIsLeftAlone(t *testing.T) {
	store := &asked{Store: newStore(t, filepath.Join(t.TempDir(), "tasks.db"))}
	e := tasking.New(tasking.Settings{Store: store, Logger: slog.New(slog.DiscardHandler), Lease: time.Minute, Poll: time.Minute, MaxPending: 1, Limits: tasks.Limits{TTL: time.Hour}})
	check.Must(t, e.Start(t.Context()))
	submit := func() error {
		_, err := e.Submit(t.Context(), tasks.Submission{ID: tasking.NewID(), API: name})
		return err
	}
	check.Must(t, submit())
	before, began := store.times.Load(), time.Now()
	for range 100 {
		if err := submit(); !errors.Is(err, tasks.ErrFull) {
			t.Error(err)
		}
	}
	if most := 2 + int32(time.Since(began)/(100*time.Millisecond)); store.times.Load()-before > most {
		t.Errorf("the store was asked %d times, want at most %d", store.times.Load()-before, most)
	}
	check.Must(t, e.Stop(t.Context()))
}
