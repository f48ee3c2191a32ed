package runtime

import (
	"context"
	"errors"

	"github.com/ekiben-serving/ekiben/runtime/internal/tasking"
	"github.com/ekiben-serving/ekiben/tasks"
)

// openTasks finds the store of the tasks, if the app has any.
func (a *App) openTasks() error {
	if len(a.taskAPIs()) == 0 {
		return nil
	}
	_, err := a.taskStore()
	return a.conf.Located(err, "tasks")
}

// taskStore returns how the store of the tasks is opened.
func (a *App) taskStore() (tasks.Open, error) {
	if store := a.options.tasks; store != nil {
		return func(tasks.Config) (tasks.Store, error) { return store, nil }, nil
	}
	return tasks.Driver(a.conf.Now().Tasks.Store)
}

// startTasks opens the store of the tasks, once.
func (a *App) startTasks(ctx context.Context) error {
	a.startingTasks.Lock()
	defer a.startingTasks.Unlock()
	apis := a.taskAPIs()
	if len(apis) == 0 || a.tasks.Load() != nil {
		return nil
	}
	cfg := a.conf.Now().Tasks
	open, err := a.taskStore()
	if err != nil {
		return err
	}
	store, err := open(tasks.Config{Path: cfg.Path, DSN: cfg.DSN.Reveal()})
	if err != nil {
		return a.conf.Located(err, "tasks")
	}
	engine := tasking.New(tasking.Settings{
		Store: store, APIs: apis, Logger: a.log.logger,
		Workers: cfg.Workers, Attempts: cfg.Attempts, Lease: cfg.Lease, Poll: cfg.PollInterval, MaxPending: cfg.MaxPending,
		Limits:       tasks.Limits{TTL: cfg.ResultTTL, MaxEnded: cfg.MaxEnded, MaxBytes: cfg.MaxBytes},
		FailedResult: failedResult,
	})
	if err := engine.Start(ctx); err != nil {
		return errors.Join(a.conf.Located(err, "tasks"), store.Close())
	}
	a.life.mu.Lock()
	over := a.life.draining.Load() // Shutdown may have looked for the engine already
	if !over {
		a.tasks.Store(engine)
	}
	a.life.mu.Unlock()
	if over {
		return engine.Stop(context.WithoutCancel(ctx))
	}
	return nil
}

// beginTasks begins to run tasks, after the services have started.
func (a *App) beginTasks() {
	if engine := a.tasks.Load(); engine != nil {
		engine.Begin()
	}
}

// waitForTasks waits until no task runs, or until ctx ends.
func (a *App) waitForTasks(ctx context.Context) {
	if engine := a.tasks.Load(); engine != nil {
		engine.Wait(ctx)
	}
}

// taskAPIs lists the task APIs of all services.
func (a *App) taskAPIs() (all []tasking.API) {
	for _, svc := range a.services {
		for _, one := range svc.apis {
			if one.task == nil {
				continue
			}
			all = append(all, tasking.API{
				Name: one.taskName(), Free: one.free, Acquire: one.acquire, Run: one.runTask,
				Observe: tasking.Observer{Ended: one.task.metrics.End, Retaken: one.task.metrics.Retake, Counted: one.task.metrics.Count},
			})
		}
	}
	return all
}
