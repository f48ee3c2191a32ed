package runtime

import (
	"bytes"
	"context"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/slots"
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

// failedResult is the result of a task that failed outside of its function.
func failedResult(text string) tasks.Result {
	w := &taskResponse{header: http.Header{}}
	_ = writeError(w, &Error{Status: http.StatusInternalServerError, Message: text})
	return w.stored()
}
