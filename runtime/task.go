package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/tasking"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
	"github.com/ekiben-serving/ekiben/tasks"
)

// TaskAPI is a declared function that runs as a task. Other code of the process uses it
// with the methods below, which also work for a service that is not served over HTTP.
type TaskAPI[In, Out any] struct {
	api    *api
	direct *API[In, Out]
	input  func(to *bytes.Buffer, header http.Header, in In) error // encodes the input of Submit
	out    *wire.Output[Out]
}

// HandleTask declares an API whose function can run as a task: a client submits a request,
// gets an id at once, and asks for the result later.
//
//	runtime.HandleTask(app, "summarize", summarize)
//
// It has the routes of BentoML's tasks:
//
//	POST /summarize                     runs the function at once, as with Handle
//	POST /summarize/submit              stores the request, and responds with task_id
//	GET  /summarize/status?task_id=…    in_progress, completed, failed or cancelled
//	GET  /summarize/get?task_id=…       the response of the function
//	POST /summarize/retry?task_id=…     submits the same request again
//	PUT  /summarize/cancel?task_id=…    ends a task that has not ended
//
// fn and opts are as with [Handle]. A task runs at least once: if its process is
// killed, it runs again, so fn should be able to run twice; [TaskID] tells the runs of one
// task apart from those of others. traffic.timeout does not end a task, as in BentoML. A
// task waits for a slot of max_concurrency. Its ctx ends when it is cancelled, and at the
// end of shutdown.grace; then another process runs it again.
//
// The program must import the store of the tasks, tasks/sqlite or tasks/postgres. The keys
// below tasks in the configuration have its place and limits. Read docs/tasks.md.
func HandleTask[In, Out any](on Declarer, name string, fn func(ctx context.Context, in In) (Out, error), opts ...APIOption) *TaskAPI[In, Out] {
	task := &tasked{}
	direct := Handle(on, name, fn, append([]APIOption{apiOptionFunc(func(a *api) { a.task = task })}, opts...)...)
	codec, _ := direct.api.codec.(*typedCodec[In, Out]) // as Handle makes it
	task.check = func(c *call, s *scratch) error {
		var in In
		return codec.in.Decode(&c.ctx, s.body.Bytes(), c.files(s), &in)
	}
	return &TaskAPI[In, Out]{api: direct.api, direct: direct, input: inputEncoder(codec.in), out: codec.out}
}

// tasked is the part of an api that only tasks have.
type tasked struct {
	check   func(*call, *scratch) error // whether the function accepts the body
	metrics *telemetry.Tasks
}

// Call runs the function at once, as [API.Call] does.
func (t *TaskAPI[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	return t.direct.Call(ctx, in)
}

// Submit stores a task and returns its id. It does not check the constraints in struct
// tags of in: the task fails if in breaks one. Files are read, and not closed; a file
// without a name gets the name "file". The error is an [Error] that wraps [tasks.ErrFull],
// [tasks.ErrTooLarge] or [tasks.ErrUnavailable], or says why in cannot be encoded, or that the app
// does not run. It is that of ctx if ctx has ended.
func (t *TaskAPI[In, Out]) Submit(ctx context.Context, in In) (string, error) {
	engine, err := t.api.engine()
	if err != nil {
		return "", err
	}
	request := tasks.Request{Header: http.Header{}}
	if t.api.pattern.Exact() { // else the wildcards have no values
		request.Path = t.api.route
	}
	var body bytes.Buffer
	if err := t.input(&body, request.Header, in); err != nil {
		return "", fmt.Errorf("%s: the input: %w", t.api.where(), err)
	}
	request.Body = body.Bytes()
	rec, err := engine.Submit(ctx, t.api.submission(request, "", nil))
	if err != nil {
		return "", taskError(err)
	}
	return rec.ID, nil
}

// Status returns what is known of a task. The error is [tasks.ErrNotFound],
// [tasks.ErrUnavailable], that of ctx if ctx has ended, or says that the app does not run.
func (t *TaskAPI[In, Out]) Status(ctx context.Context, id string) (tasks.Record, error) {
	engine, err := t.api.engine()
	if err != nil {
		return tasks.Record{}, err
	}
	return engine.Get(ctx, t.api.taskName(), id)
}

// Result returns the result of a task, also one that was sent with a status of 400 or more,
// which makes the task a failed one as in BentoML. If the function returned an error, it is
// the [Error] that a client gets. Other errors are [tasks.ErrNotEnded], [tasks.ErrCancelled], and
// those of Status.
func (t *TaskAPI[In, Out]) Result(ctx context.Context, id string) (Out, error) {
	var out Out
	engine, err := t.api.engine()
	if err != nil {
		return out, err
	}
	rec, result, err := engine.Result(ctx, t.api.taskName(), id)
	switch {
	case err != nil:
		return out, err
	case rec.Status == tasks.Cancelled:
		return out, tasks.ErrCancelled
	case !rec.Status.Ended():
		return out, tasks.ErrNotEnded
	case rec.Status == tasks.Failed:
		if failed := failedTask(result); failed != nil {
			return out, failed
		}
	}
	if err := decodeResult(t.out, result.Header, result.Body, &out); err != nil {
		return out, fmt.Errorf("%s: the stored result: %w", t.api.where(), err)
	}
	return out, nil
}

// failedTask returns the error in a stored response; nil: it has a result.
func failedTask(result tasks.Result) error {
	var body struct {
		Error  string          `json:"error"`
		Detail json.RawMessage `json:"detail"`
	}
	if _ = json.Unmarshal(result.Body, &body); body.Error == "" {
		return nil
	}
	seconds, _ := strconv.Atoi(result.Header.Get("Retry-After"))
	e := &Error{Status: result.Status, Message: body.Error, RetryAfter: time.Duration(seconds) * time.Second}
	if body.Detail != nil {
		e.Detail = body.Detail
	}
	return e
}

// Cancel cancels a task that has not ended. The context of its function ends: at once in
// this process, within tasks.poll_interval in another one. The error is [tasks.ErrEnded], or
// one of those of Status.
func (t *TaskAPI[In, Out]) Cancel(ctx context.Context, id string) error {
	engine, err := t.api.engine()
	if err != nil {
		return err
	}
	_, err = engine.Cancel(ctx, t.api.taskName(), id)
	return err
}

// engine returns the engine that runs the tasks of a.
func (a *api) engine() (*tasking.Engine, error) {
	if err := a.callable(); err != nil {
		return nil, err
	}
	if engine := a.service.app.tasks.Load(); engine != nil {
		return engine, nil
	}
	return nil, fmt.Errorf("%s: used before the app runs; use it after App.Run or App.Handler", a.where())
}
