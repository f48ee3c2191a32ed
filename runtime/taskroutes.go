package runtime

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/pattern"
	"github.com/ekiben-serving/ekiben/runtime/internal/static"
	"github.com/ekiben-serving/ekiben/runtime/internal/tasking"
	"github.com/ekiben-serving/ekiben/tasks"
)

// taskRoute is one of the routes of a task API, below the API's own route.
type taskRoute struct {
	suffix, method string
	submits        bool // else it is about a task that the parameter task_id names
	serve          func(t *taskRequest) error
}

// taskRoutes are the routes of each task API, in the order of the lists of routes.
var taskRoutes = []taskRoute{
	{"/submit", http.MethodPost, true, (*taskRequest).submit},
	{"/status", http.MethodGet, false, (*taskRequest).status},
	{"/get", http.MethodGet, false, (*taskRequest).get},
	{"/retry", http.MethodPost, false, (*taskRequest).retry},
	{"/cancel", http.MethodPut, false, (*taskRequest).cancel},
}

// addTaskRoutes adds the routes below the route of a task API.
func (a *App) addTaskRoutes(t *routes, one *api) error {
	if one.task == nil {
		return nil
	}
	for i := range taskRoutes {
		below := &taskRoutes[i]
		label := one.route + below.suffix
		endpoint, err := a.metrics.Endpoint(label)
		if err != nil {
			return err
		}
		r := &route{label: label, pattern: t.prefix + label, endpoint: endpoint, handler: one.taskHandler(below), wildcards: one.pattern.Names()}
		if one.pattern.Exact() {
			t.exact[label] = r
			continue
		}
		parsed, err := pattern.Parse(label)
		if err != nil {
			return err
		}
		t.patterns = append(t.patterns, patternRoute{parsed, r})
	}
	return nil
}

// taskRequest is a request of such a route.
type taskRequest struct {
	*call

	route  *taskRoute
	engine *tasking.Engine
	id     string // the parameter task_id
}

// taskHandler serves one of the routes of an API.
func (a *api) taskHandler(route *taskRoute) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case route.method == http.MethodGet && static.IsRead(r), r.Method == route.method:
		case route.method == http.MethodGet:
			static.MethodNotAllowed(w, "GET, HEAD")
			return
		default:
			static.MethodNotAllowed(w, route.method)
			return
		}
		c := a.callOf(w, r)
		t := &taskRequest{call: c, route: route}
		if err := t.respondTo(); err != nil {
			c.respond(nil, taskError(err))
		}
	})
}

func (t *taskRequest) respondTo() (err error) {
	if t.engine, err = t.api.engine(); err != nil {
		return err
	}
	if !t.route.submits {
		given := t.r.URL.Query()["task_id"]
		if len(given) == 0 {
			return &Error{Status: http.StatusBadRequest, Message: "task_id is required"}
		}
		t.id = given[len(given)-1]
	}
	return t.route.serve(t)
}

// submit stores a request as a task.
func (t *taskRequest) submit() error {
	s := t.api.service.app.scratches.get()
	defer s.put() // its body is in memory until the task is stored
	body, content, err := t.accepted(s)
	if err != nil {
		return err
	}
	request := tasks.Request{Path: t.path(), Header: http.Header{}, Body: body}
	for _, name := range bodyHeaders {
		if values := t.r.Header[name]; values != nil {
			request.Header[name] = values
		}
	}
	return t.submitted(request, content)
}

// bodyHeaders are the headers that say what a body is. Content-Disposition has the name of a
// body that is a file.
var bodyHeaders = []string{"Content-Type", "Content-Encoding", "Content-Disposition"}

// accepted returns the body as it was sent, if the function accepts it. The body must
// arrive within the timeout of the API.
func (t *taskRequest) accepted(s *scratch) (body, content []byte, err error) {
	t.ctx.start(t.call, t.api.timeoutInForce())
	defer t.ctx.end()
	at, limited := t.ctx.Deadline()
	if limited {
		control := http.NewResponseController(t.w)
		_ = control.SetReadDeadline(at)            // not possible below middleware that hides it
		defer control.SetReadDeadline(time.Time{}) //nolint:errcheck // as above
	}
	var sent bytes.Buffer
	if t.r.Body != nil && t.r.Body != http.NoBody {
		t.r = t.r.Clone(t.r.Context())
		t.r.Body = struct {
			io.Reader
			io.Closer
		}{s.body.Keeping(t.r.Body, &sent), t.r.Body}
	}
	if err = t.readBody(s); err == nil {
		err = t.api.task.check(t.call, s)
	}
	if err != nil && limited && !time.Now().Before(at) {
		return nil, nil, t.timedOut(t.ctx.limit)
	} else if err != nil {
		return nil, nil, err
	}
	content, err = contentOf(s)
	return sent.Bytes(), content, err
}

// path returns the path of the API's own route in the request.
func (t *taskRequest) path() string {
	path := t.r.URL.EscapedPath()
	for range strings.Count(t.api.service.app.conf.Now().HTTP.PathPrefix, "/") { // a client can escape it in several ways
		path = path[1+strings.IndexByte(path[1:], '/'):]
	}
	return strings.TrimSuffix(path, t.route.suffix)
}

// submitted stores a task and responds with its id.
func (t *taskRequest) submitted(request tasks.Request, content []byte) error {
	key := t.r.Header.Get("Idempotency-Key")
	if len(key) > 255 || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) {
		return &Error{Status: http.StatusBadRequest, Message: "The Idempotency-Key must have at most 255 printable ASCII characters"}
	}
	rec, err := t.engine.Submit(t.r.Context(), t.api.submission(request, key, content))
	if err != nil {
		return err
	}
	return t.send(taskStatus{ID: rec.ID, Status: onWire(rec.Status)})
}

// status responds with the state of a task.
func (t *taskRequest) status() error {
	rec, err := t.engine.Get(t.r.Context(), t.api.taskName(), t.id)
	if err != nil {
		return err
	}
	return t.send(wireStatus(rec))
}

// get responds as the function did.
func (t *taskRequest) get() error {
	rec, result, err := t.engine.Result(t.r.Context(), t.api.taskName(), t.id)
	switch {
	case err != nil:
		return err
	case rec.Status == tasks.Cancelled:
		return &Error{Status: http.StatusConflict, Message: "task " + rec.ID + " was cancelled"}
	case !rec.Status.Ended():
		return &Error{Status: http.StatusBadRequest, Message: "task " + rec.ID + " is not completed yet"}
	}
	header := t.w.Header()
	for name, values := range result.Header {
		if name == "Vary" || name == "Set-Cookie" { // middleware's stay
			values = append(slices.Clone(header[name]), values...)
		}
		header[name] = values
	}
	header["Server"] = t.api.header.server
	if result.Status == http.StatusOK && result.Header["Accept-Ranges"] != nil { // a file
		modified, _ := http.ParseTime(result.Header.Get("Last-Modified"))
		t.sendRanges(modified, bytes.NewReader(result.Body))
		return nil
	}
	t.w.WriteHeader(result.Status)
	_, _ = t.w.Write(result.Body)
	return nil
}

// retry submits the request of a task that has ended as a new task.
func (t *taskRequest) retry() error {
	rec, request, err := t.engine.Request(t.r.Context(), t.api.taskName(), t.id)
	switch {
	case err != nil:
		return err
	case !rec.Status.Ended():
		return &Error{Status: http.StatusBadRequest, Message: "task " + rec.ID + " is not completed yet"}
	}
	return t.submitted(request, nil)
}

// cancel ends a task.
func (t *taskRequest) cancel() error {
	rec, err := t.engine.Cancel(t.r.Context(), t.api.taskName(), t.id)
	switch {
	case errors.Is(err, tasks.ErrEnded):
		return &Error{Status: http.StatusConflict, Message: "task " + rec.ID + " has ended: it is " + string(rec.Status)}
	case err != nil:
		return err
	}
	return t.send(wireStatus(rec))
}

// taskStatus is the body of a response about a task, as in BentoML.
type taskStatus struct {
	ID       string `json:"task_id"`
	Status   string `json:"status"`
	Created  string `json:"created_at,omitempty"`
	Executed string `json:"executed_at,omitempty"`
}

func wireStatus(rec tasks.Record) taskStatus {
	executed := rec.Started
	if executed.IsZero() { // it waits; BentoML has the time of the submission then
		executed = rec.Created
	}
	return taskStatus{rec.ID, onWire(rec.Status), rec.Created.UTC().Format(taskTime), executed.UTC().Format(taskTime)}
}

// taskTime is the form of times in BentoML's responses: UTC, without a zone.
const taskTime = "2006-01-02T15:04:05"

// onWire returns the name of a state in responses. BentoML does not tell a task that
// waits from one that runs.
func onWire(s tasks.Status) string {
	if !s.Ended() {
		return "in_progress"
	}
	return string(s)
}

// send responds with JSON.
func (t *taskRequest) send(content taskStatus) error {
	if content.Status == string(tasks.Cancelled) {
		t.w.Header().Add("Vary", "User-Agent")
		if strings.HasPrefix(t.r.UserAgent(), "BentoML HTTP Client/") {
			content.Status = "canceled" // BentoML's documents write it with two l, and its client knows only this word
		}
	}
	body, err := json.Marshal(content)
	if err != nil {
		return err
	}
	header := t.w.Header()
	header["Server"] = t.api.header.server
	header["Content-Type"] = jsonType
	_, _ = t.w.Write(body)
	return nil
}
