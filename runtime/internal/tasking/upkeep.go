package tasking

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ekiben-serving/ekiben/tasks"
)

// The times between two looks at all of the store's tasks.
const (
	countEvery = 5 * time.Second
	sweepEvery = 15 * time.Second
)

// keepLeases extends the leases of this process and notices what was cancelled elsewhere.
// Nothing else may delay it: another process takes a task whose lease has expired.
func (e *Engine) keepLeases() {
	e.each(min(e.set.Poll, e.set.Lease/3), e.extend)
}

// watch reads the numbers of the store and deletes old tasks.
func (e *Engine) watch() {
	var counted, swept time.Time
	e.each(e.set.Poll, func() {
		if time.Since(counted) >= countEvery {
			counted = time.Now()
			_ = e.refresh(e.life) // use logs the error
		}
		if time.Since(swept) >= sweepEvery {
			swept = time.Now()
			e.sweep()
		}
	})
}

// each calls f at once and then at each interval, while the store is prepared, until the
// engine ends.
func (e *Engine) each(interval time.Duration, f func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if e.store.ready() == nil {
			f()
		}
		select {
		case <-ticker.C:
		case <-e.life.Done():
			return
		}
	}
}

// extend extends the leases, and ends the runs that this process does not hold any more.
func (e *Engine) extend() {
	quiet := e.claiming.tryLock() // else the store may have a run that is about to begin here
	if quiet {
		defer e.claiming.unlock()
	}
	e.mu.Lock()
	doubt := time.Now().Before(e.doubt)
	mine := make([]*running, 0, len(e.running))
	for _, one := range e.running {
		mine = append(mine, one)
	}
	e.mu.Unlock()
	if len(mine) == 0 && !doubt {
		return
	}
	var held []tasks.Held
	err := e.store.use(e.life, "extend", func(ctx context.Context) (err error) {
		held, err = e.set.Store.Extend(ctx, e.worker, e.set.Lease)
		return err
	})
	if err != nil {
		return
	}
	claims := map[string]int{}
	for _, one := range held {
		claims[one.ID] = one.Claims
	}
	if quiet {
		e.giveBack(held, mine)
	}
	for _, one := range mine {
		if claims[one.run.ID] == one.run.Claims {
			continue
		}
		rec, err := e.Get(e.life, one.run.API, one.run.ID)
		switch {
		case errors.Is(err, tasks.ErrNotFound), err == nil && rec.Status == tasks.Cancelled:
			one.cancel(errCancelled)
		case err == nil && !rec.Status.Ended(): // else it has just ended here
			one.cancel(errLost)
		}
	}
}

// giveBack gives back what the store holds for this process and this process does not run:
// a claim or a release whose answer was lost. Its lease would be extended for ever.
func (e *Engine) giveBack(held []tasks.Held, mine []*running) {
	for _, one := range held {
		if slices.ContainsFunc(mine, func(known *running) bool { return known.run.ID == one.ID }) {
			continue
		}
		run := &tasks.Run{Record: tasks.Record{ID: one.ID}, Worker: e.worker, Claims: one.Claims}
		err := e.store.use(e.life, "release", func(ctx context.Context) error { return e.set.Store.Release(ctx, run) })
		if err == nil {
			e.set.Logger.Warn("a task that nobody ran was given back: the store's answer to its claim or its release was lost", "task", one.ID)
		}
	}
}

// refresh reads the numbers of the store. If this process changes them meanwhile, it reads them
// again, up to three times: what it read may lack the change. In a process that always changes
// them, the third reading counts until the next refresh.
func (e *Engine) refresh(ctx context.Context) error {
	var stats map[string]tasks.Stats
	for try := range 3 {
		since := e.known.changed()
		err := e.store.use(ctx, "stats", func(ctx context.Context) (err error) {
			stats, err = e.set.Store.Stats(ctx)
			return err
		})
		if err != nil {
			return err
		}
		if try == 2 {
			since = e.known.changed()
		}
		if e.known.set(stats, since) {
			break
		}
	}
	for _, api := range e.set.APIs {
		if api.Observe.Counted != nil {
			api.Observe.Counted(e.known.of(api.Name))
		}
		if stats[api.Name].Waiting > 0 {
			e.known.hint(api.Name, true)
			e.poke()
		}
	}
	return nil
}

// sweep deletes ended tasks that are too old or too many.
func (e *Engine) sweep() {
	for {
		var swept int
		err := e.store.use(e.life, "sweep", func(ctx context.Context) (err error) {
			swept, err = e.set.Store.Sweep(ctx, e.set.Limits)
			return err
		})
		if err != nil || swept == 0 || e.life.Err() != nil {
			return
		}
	}
}
