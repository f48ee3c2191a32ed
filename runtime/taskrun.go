package runtime

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/slots"
	"github.com/ekiben-serving/ekiben/runtime/internal/tasking"
	"github.com/ekiben-serving/ekiben/tasks"
)

// runTask runs the function for a stored request and returns its response. The caller has
// taken a slot. A run is not counted as a request, as in BentoML.
func (a *api) runTask(ctx context.Context, run *tasks.Run) tasks.Result {
	app := a.service.app
	ctx, end := app.tracing.Call(ctx, a.service.name, a.name)
	result := &taskResponse{header: http.Header{}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, app.conf.Now().HTTP.PathPrefix+run.Request.Path, bytes.NewReader(run.Request.Body))
	if err != nil { // a path that no request can have
		a.release(slots.Permit{}, false)
		end(http.StatusInternalServerError, err)
		return failedResult(maskedMessage)
	}
	r.Header = run.Request.Header.Clone()
	found := app.chain.routes.match(r, r.URL)
	if found.route.handler != http.Handler(a) { // of a service without routes, or the route has changed
		found = match{route: &route{label: a.route}}
	}
	x := app.newExchange(result, r, found, origin{})
	c := &x.call
	c.api, c.x, c.w, c.r, c.task = a, x, result, r, run.ID
	c.ctx.start(c, 0)
	var function sync.WaitGroup
	function.Go(func() { // in a goroutine that runtime.Goexit may end
		defer func() {
			if p := recover(); p != nil { // from user code that encodes an error
				x.panicked(p, debug.Stack())
				result.restart()
				_ = writeError(result, &Error{Status: http.StatusInternalServerError, Message: maskedMessage})
			}
		}()
		c.inline(false)
	})
	function.Wait()
	stored := result.stored()
	x.endGeneration(stored.Status, time.Since(x.start), false)
	end(stored.Status, nil)
	return stored
}

// taskResponse keeps the response of a function that runs as a task.
type taskResponse struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (t *taskResponse) Header() http.Header { return t.header }

func (t *taskResponse) WriteHeader(status int) {
	if t.status == 0 && status >= 200 {
		t.status = status
	}
}

func (t *taskResponse) Write(p []byte) (int, error) {
	t.WriteHeader(http.StatusOK)
	return t.body.Write(p)
}

// restart forgets the response: another one takes its place.
func (t *taskResponse) restart() { *t = taskResponse{header: http.Header{}} }

// stored returns the response as it is stored, without what each response has anew.
func (t *taskResponse) stored() tasks.Result {
	t.WriteHeader(http.StatusOK)
	for _, name := range []string{"Server", "Content-Length", "Connection"} {
		delete(t.header, name)
	}
	return tasks.Result{Status: t.status, Header: t.header, Body: t.body.Bytes()}
}

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

// failedResult is the result of a task that failed outside of its function.
func failedResult(text string) tasks.Result {
	w := &taskResponse{header: http.Header{}}
	_ = writeError(w, &Error{Status: http.StatusInternalServerError, Message: text})
	return w.stored()
}
