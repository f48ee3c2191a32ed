package tasking

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ekiben-serving/ekiben/tasks"
)

// begin runs a claimed task in its own goroutine.
func (e *Engine) begin(api *API, run *tasks.Run) {
	ctx, cancel := context.WithCancelCause(e.runs)
	one := &running{run, api, cancel}
	e.mu.Lock()
	e.running[run.ID] = one
	e.mu.Unlock()
	e.active.Go(func() {
		defer e.poke()
		defer cancel(nil)
		e.process(ctx, one)
		e.mu.Lock()
		if e.running[run.ID] == one { // else it lost its lease, and this process has claimed the task again
			delete(e.running, run.ID)
		}
		e.mu.Unlock()
	})
}

// process runs a task and stores what became of it.
func (e *Engine) process(ctx context.Context, one *running) {
	run := one.run
	if run.Deaths >= e.set.Attempts {
		e.set.Logger.Error("task failed: the processes that ran it were killed", "task", run.ID, "api", run.API, "killed", run.Deaths)
		e.finish(one, tasks.Failed, e.set.FailedResult(fmt.Sprintf("The task was given up: %d processes ended while they ran it", run.Deaths)), 0)
		return
	}
	if run.Retaken {
		e.set.Logger.Warn("task taken from a process that has gone, to run again", "task", run.ID, "api", run.API, "killed", run.Deaths)
		if one.api.Observe.Retaken != nil {
			one.api.Observe.Retaken()
		}
	}
	if !one.api.Acquire() { // another request took the slot after Free
		e.release(context.Background(), run)
		return
	}
	start := time.Now()
	result := one.api.Run(ctx, run)
	ran := time.Since(start)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errCancelled):
		return // the store knows it
	case errors.Is(cause, errReleased) && result.Status >= 400: // probably because its context ended
		e.release(context.Background(), run)
		return
	}
	status := tasks.Completed
	if result.Status >= 400 {
		status = tasks.Failed
	}
	e.finish(one, status, result, ran)
}

// mostStored is the size of the largest body that every store can keep: SQLite's limit is
// 10⁹ bytes, PostgreSQL's 2³⁰.
const mostStored = 900 << 20

// finish stores a result, and tries again while the store is away.
func (e *Engine) finish(one *running, status tasks.Status, result tasks.Result, ran time.Duration) {
	run := one.run
	if len(result.Body) > mostStored {
		e.set.Logger.Error("task failed: its result is too large to be stored", "task", run.ID, "api", run.API, "bytes", len(result.Body), "most", mostStored)
		status, result = tasks.Failed, e.set.FailedResult("The result is too large to be stored")
	}
	for {
		err := e.store.use(e.life, "finish", func(ctx context.Context) error { return e.set.Store.Finish(ctx, run, status, result) })
		switch {
		case err == nil:
			e.count(run.API, func(s *tasks.Stats) {
				s.Running, s.Ended = max(0, s.Running-1), s.Ended+1
				s.Bytes, s.Pending = s.Bytes+int64(len(result.Body)), max(0, s.Pending-int64(len(run.Request.Body)))
			})
			if one.api.Observe.Ended != nil {
				one.api.Observe.Ended(status, ran)
			}
			return
		case errors.Is(err, tasks.ErrLost):
			e.set.Logger.Warn("the result of a task is dropped: the task was cancelled, or another process runs it", "task", run.ID, "api", run.API)
			return
		}
		select {
		case <-time.After(e.set.Poll):
		case <-e.life.Done():
			e.set.Logger.Error("the result of a task could not be stored; the task runs again", "task", run.ID, "api", run.API, "error", err)
			return
		}
	}
}

// release gives a task back to the store. If that fails, its lease expires.
func (e *Engine) release(ctx context.Context, run *tasks.Run) {
	if e.life.Err() != nil { // Stop has given it back, and closed the store
		return
	}
	err := e.store.use(ctx, "release", func(ctx context.Context) error { return e.set.Store.Release(ctx, run) })
	if errors.Is(err, tasks.ErrLost) { // it was cancelled, or another process has it
		return
	}
	if err != nil {
		e.doubts()
		e.set.Logger.Warn("a task could not be given back; it is given back later, or another process runs it after its lease", "task", run.ID, "api", run.API, "error", err)
		return
	}
	e.count(run.API, func(s *tasks.Stats) { s.Running, s.Waiting = max(0, s.Running-1), s.Waiting+1 })
}
