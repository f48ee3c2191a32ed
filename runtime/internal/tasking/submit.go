package tasking

import (
	"context"
	"errors"
	"time"

	"github.com/ekiben-serving/ekiben/tasks"
)

// Submit stores a task and returns it. With a key, it may be an older one. It returns
// [tasks.ErrFull], [tasks.ErrTooLarge], [tasks.ErrKeyReused] or [tasks.ErrUnavailable].
func (e *Engine) Submit(ctx context.Context, s tasks.Submission) (tasks.Record, error) {
	if err := e.store.ready(); err != nil {
		return tasks.Record{}, err
	}
	if err := e.admit(ctx, int64(len(s.Request.Body))); errors.Is(err, tasks.ErrFull) {
		return e.refused(ctx, s)
	} else if err != nil {
		return tasks.Record{}, err
	}
	var rec tasks.Record
	err := e.store.use(ctx, "submit", func(ctx context.Context) (err error) {
		rec, err = e.set.Store.Submit(ctx, s)
		return err
	})
	if err == nil && rec.ID == s.ID {
		e.known.count(s.API, func(stats *tasks.Stats) {
			stats.Waiting, stats.Bytes = stats.Waiting+1, stats.Bytes+int64(len(s.Request.Body))
		})
		e.known.hint(s.API, true)
		e.poke()
	}
	return rec, err
}

// admit returns [tasks.ErrFull] or [tasks.ErrTooLarge] if there is no room for one more
// task. Before that, it reads the numbers again, which other processes change too, and
// deletes ended tasks.
func (e *Engine) admit(ctx context.Context, bytes int64) error {
	limits := e.set.Limits
	if bytes > mostStored || limits.MaxBytes > 0 && bytes > limits.MaxBytes {
		return tasks.ErrTooLarge
	}
	if e.admits() && e.fits(bytes) {
		return nil
	}
	if err := e.refresh(ctx); err != nil {
		return err
	}
	if e.admits() && !e.fits(bytes) {
		limits.MaxBytes = max(1, limits.MaxBytes-bytes)
		err := e.store.use(ctx, "sweep", func(ctx context.Context) error { _, err := e.set.Store.Sweep(ctx, limits); return err })
		if err == nil {
			err = e.refresh(ctx)
		}
		if err != nil {
			return err
		}
	}
	if !e.admits() || !e.fits(bytes) {
		return tasks.ErrFull
	}
	return nil
}

// admits reports whether one more task may wait.
func (e *Engine) admits() bool {
	pending, _ := e.known.total()
	return e.set.MaxPending == 0 || pending < e.set.MaxPending
}

// fits reports whether the store has room for some more bytes.
func (e *Engine) fits(more int64) bool {
	_, bytes := e.known.total()
	return e.set.Limits.MaxBytes == 0 || bytes+more <= e.set.Limits.MaxBytes
}

// refused returns what Submit returns if the store has no room: the task that the same
// client submitted before with the same key, else [tasks.ErrFull].
func (e *Engine) refused(ctx context.Context, s tasks.Submission) (rec tasks.Record, err error) {
	err = tasks.ErrNotFound
	if s.Key != "" {
		err = e.store.use(ctx, "submit", func(ctx context.Context) error { rec, err = e.set.Store.Submitted(ctx, s); return err })
	}
	if !errors.Is(err, tasks.ErrNotFound) {
		return rec, err
	}
	if e.known.tells() {
		pending, bytes := e.known.total()
		e.set.Logger.Warn("tasks are refused with 503: the store has as many or as large ones as tasks.max_pending and tasks.max_bytes allow",
			"pending", pending, "max_pending", e.set.MaxPending, "bytes", bytes, "bytes of the task", len(s.Request.Body), "max_bytes", e.set.Limits.MaxBytes)
	}
	return rec, tasks.ErrFull
}

// Get returns a task.
func (e *Engine) Get(ctx context.Context, api, id string) (rec tasks.Record, err error) {
	err = e.read(ctx, "get", id, func(ctx context.Context) error { rec, err = e.set.Store.Get(ctx, api, id); return err })
	return rec, err
}

// Request returns a task and its request.
func (e *Engine) Request(ctx context.Context, api, id string) (rec tasks.Record, req tasks.Request, err error) {
	err = e.read(ctx, "get the request", id, func(ctx context.Context) error { rec, req, err = e.set.Store.Request(ctx, api, id); return err })
	return rec, req, err
}

// Result returns a task and its result, if it has one.
func (e *Engine) Result(ctx context.Context, api, id string) (rec tasks.Record, res tasks.Result, err error) {
	err = e.read(ctx, "get the result", id, func(ctx context.Context) error { rec, res, err = e.set.Store.Result(ctx, api, id); return err })
	return rec, res, err
}

// Cancel cancels a task that has not ended, and ends its run. If another process runs
// it, that one notices within the time between two looks.
func (e *Engine) Cancel(ctx context.Context, api, id string) (rec tasks.Record, err error) {
	err = e.read(ctx, "cancel", id, func(ctx context.Context) error { rec, err = e.set.Store.Cancel(ctx, api, id); return err })
	if err != nil {
		return rec, err
	}
	e.mu.Lock()
	one := e.running[id]
	e.mu.Unlock()
	ran := time.Duration(0)
	if one != nil {
		one.cancel(errCancelled)
		ran = rec.Ended.Sub(rec.Started)
	}
	for _, known := range e.set.APIs {
		if known.Name == api && known.Observe.Ended != nil {
			known.Observe.Ended(tasks.Cancelled, max(0, ran))
		}
	}
	return rec, nil
}

// read calls the store about one task. An id that no task can have is not looked up.
func (e *Engine) read(ctx context.Context, what, id string, call func(context.Context) error) error {
	if err := e.store.ready(); err != nil {
		return err
	}
	if !validID(id) {
		return tasks.ErrNotFound
	}
	return e.store.use(ctx, what, call)
}

// validID reports whether a string has the form of an id.
func validID(id string) bool {
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(id) == 32
}
