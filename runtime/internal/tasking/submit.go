package tasking

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
		e.count(s.API, func(stats *tasks.Stats) {
			size := int64(len(s.Request.Body))
			stats.Waiting, stats.Bytes, stats.Pending = stats.Waiting+1, stats.Bytes+size, stats.Pending+size
		})
		e.known.hint(s.API, true)
		e.poke()
	}
	return rec, err
}

// admit returns [tasks.ErrFull] or [tasks.ErrTooLarge] if there is no room for one more task. Before
// that, it reads the numbers again, which other processes change too, unless it has just done so, and
// deletes ended tasks if that makes room.
func (e *Engine) admit(ctx context.Context, bytes int64) error {
	limits := e.set.Limits
	most := int64(mostStored)
	if limits.MaxBytes > 0 {
		most = min(most, limits.MaxBytes)
	}
	if bytes > most {
		return fmt.Errorf("%w: found %d bytes, at most %d are allowed", tasks.ErrTooLarge, bytes, most)
	}
	switch e.room(bytes) {
	case enough:
		return nil
	case none:
		if e.known.isFresh() { // clients that try again must not keep a shared store busy
			return tasks.ErrFull
		}
	}
	if err := e.refresh(ctx); err != nil {
		return err
	}
	limits.MaxBytes = max(1, limits.MaxBytes-bytes)
	for range mostSweeps {
		switch e.room(bytes) {
		case enough:
			return nil
		case none:
			return tasks.ErrFull
		}
		swept := 0
		err := e.store.use(ctx, "sweep", func(ctx context.Context) (err error) { swept, err = e.set.Store.Sweep(ctx, limits); return err })
		if err == nil {
			err = e.refresh(ctx)
		}
		if err != nil || swept == 0 {
			return cmp.Or(err, tasks.ErrFull)
		}
	}
	return tasks.ErrFull
}

// mostSweeps bounds how many sweeps make room for one task.
const mostSweeps = 100

// room is how much room the store has for one more task.
type room int

const (
	enough room = iota
	swept       // there is room when ended tasks are deleted
	none
)

// room returns the room for a task of some bytes, as far as is known.
func (e *Engine) room(bytes int64) room {
	known, most := e.known.total(), e.set.Limits.MaxBytes
	switch {
	case e.set.MaxPending > 0 && known.Waiting+known.Running >= e.set.MaxPending, most > 0 && known.Pending+bytes > most:
		return none
	case most > 0 && known.Bytes+bytes > most:
		return swept
	}
	return enough
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
	if e.known.isDue() {
		known, key := e.known.total(), "tasks.max_bytes"
		if e.set.MaxPending > 0 && known.Waiting+known.Running >= e.set.MaxPending {
			key = "tasks.max_pending"
		}
		e.set.Logger.Warn("tasks are refused with 503: the store is full", "key", key,
			"pending", known.Waiting+known.Running, "max_pending", e.set.MaxPending, "bytes", known.Bytes, "bytes_of_the_task", len(s.Request.Body), "max_bytes", e.set.Limits.MaxBytes)
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
	if one != nil {
		one.cancel(errCancelled)
	}
	ran, waited := time.Duration(0), rec.Started.IsZero()
	if !waited { // it ran here or in another process
		ran = max(0, rec.Ended.Sub(rec.Started))
	}
	e.count(api, func(s *tasks.Stats) {
		s.Ended++
		if waited {
			s.Waiting = max(0, s.Waiting-1)
		} else {
			s.Running = max(0, s.Running-1)
		}
	})
	for _, known := range e.set.APIs {
		if known.Name == api && known.Observe.Ended != nil {
			known.Observe.Ended(tasks.Cancelled, ran)
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
