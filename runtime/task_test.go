package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/tasks"
	"github.com/ekiben-serving/ekiben/tasks/sqlite"
)

// tasked makes an app with the task slowly, whose function is fn, and its handler.
func tasked[Out any](t *testing.T, fn func(context.Context, text) (Out, error), change func(*config.Config), opts ...runtime.APIOption) (*runtime.TaskAPI[text, Out], http.Handler) {
	t.Helper()
	cfg := config.Default()
	cfg.Tasks.Path = filepath.Join(t.TempDir(), "tasks.db")
	cfg.Tasks.PollInterval = 20 * time.Millisecond
	if change != nil {
		change(&cfg)
	}
	app := newApp("Kinds", runtime.WithConfig(cfg))
	api := runtime.HandleTask(app, "slowly", fn, opts...)
	return api, handler(t, app)
}

func upper(_ context.Context, in text) (string, error) {
	switch in.Text {
	case "boom":
		return "", errors.New("boom")
	case "teapot":
		return "", &runtime.Error{Status: 418, Message: "short and stout", Detail: map[string]int{"cups": 2}}
	case "panic":
		panic("panic")
	case "goexit":
		goruntime.Goexit()
	}
	return strings.ToUpper(in.Text), nil
}

// response sends a request and returns the whole response.
func response(h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest(method, path, strings.NewReader(body)), httptest.NewRecorder()
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	h.ServeHTTP(w, r)
	return w
}

// sent sends a request and returns the status and the body of its response.
func sent(h http.Handler, method, path, body string) string {
	got := response(h, method, path, body)
	return strconv.Itoa(got.Code) + " " + got.Body.String()
}

// submit submits a task and returns its id.
func submit(t *testing.T, h http.Handler, body string, headers ...string) string {
	t.Helper()
	got := response(h, "POST", "/slowly/submit", body, headers...)
	var status struct {
		ID     string `json:"task_id"`
		Status string `json:"status"`
	}
	if err := json.Unmarshal(got.Body.Bytes(), &status); err != nil || got.Code != 200 || len(status.ID) != 32 {
		t.Fatalf("submit: %d %s", got.Code, got.Body)
	}
	return status.ID
}

// awaitTask waits until a task has ended and returns its state.
func awaitTask(t *testing.T, h http.Handler, id string) string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		got := response(h, "GET", "/slowly/status?task_id="+id, "")
		var status struct{ Status string }
		if err := json.Unmarshal(got.Body.Bytes(), &status); err != nil || got.Code != 200 {
			t.Fatalf("status: %d %s", got.Code, got.Body)
		}
		if status.Status != "in_progress" {
			return status.Status
		}
		if time.Now().After(deadline) {
			t.Fatal("the task does not end")
		}
	}
}

// A result that is a file is stored whole, or not at all.
func TestTaskResultsAsFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	_, h := tasked(t, func(_ context.Context, in text) (runtime.File, error) {
		check.OK(t, os.WriteFile(path, []byte("0123456789"), 0o600))
		file, err := runtime.OpenFile(path)
		switch in.Text {
		case "closed":
			check.OK(t, file.Close())
		case "shorter":
			check.OK(t, os.Truncate(path, 4))
		}
		return file, err
	}, nil)
	for _, one := range []struct{ text, want string }{
		{"whole", `completed 200 0123456789 attachment; filename="a.txt"`},
		{"closed", "failed 500 " + masked + " "},
		{"shorter", "failed 500 " + masked + " "},
	} {
		id := submit(t, h, `{"text":"`+one.text+`"}`)
		status := awaitTask(t, h, id)
		got := response(h, "GET", "/slowly/get?task_id="+id, "")
		check.Equal(t, fmt.Sprint(status, " ", got.Code, " ", got.Body, " ", got.Header().Get("Content-Disposition")), one.want)
	}
}

// awaitResult submits a task in process and returns its result.
func awaitResult[Out any](t *testing.T, fn func(context.Context, text) (Out, error)) Out {
	t.Helper()
	api, h := tasked(t, fn, nil)
	id := check.Value(api.Submit(t.Context(), text{Text: "abc"}))(t)
	check.Equal(t, awaitTask(t, h, id), "completed")
	return check.Value(api.Result(t.Context(), id))(t)
}

// Result returns what the function returned, also what is not sent as JSON.
func TestTaskResultsInProcess(t *testing.T) {
	check.Equal(t, string(awaitResult(t, func(_ context.Context, in text) ([]byte, error) { return []byte(in.Text), nil })), "abc")
	file := awaitResult(t, func(_ context.Context, in text) (runtime.File, error) {
		return runtime.NewFile("é a.txt", "text/x-own", []byte(in.Text)), nil
	})
	check.Equal(t, fmt.Sprint(file.Name(), " ", file.ContentType(), " ", string(check.Value(file.Bytes())(t))), "é a.txt text/x-own abc")
	picture := image.NewGray(image.Rect(0, 0, 3, 2))
	photo := awaitResult(t, func(context.Context, text) (runtime.Image, error) {
		return runtime.Image{Image: picture, Format: "gif"}, nil
	})
	check.Equal(t, fmt.Sprint(photo.Format, photo.Bounds()), "gif(0,0)-(3,2)")
	check.Equal(t, awaitResult(t, func(context.Context, text) (image.Image, error) { return picture, nil }).Bounds(), picture.Bounds())
}

// slowStore is a store that prepares until it is released.
type slowStore struct {
	tasks.Store

	entered, release chan struct{}
	closed           int
}

func (s *slowStore) Prepare(ctx context.Context) error {
	close(s.entered)
	<-s.release
	return s.Store.Prepare(ctx)
}

func (s *slowStore) Close() error {
	s.closed++
	return s.Store.Close()
}

// A store that is being opened when Shutdown is called is closed.
func TestShutdownWhileTheStoreOpens(t *testing.T) {
	slow := &slowStore{entered: make(chan struct{}), release: make(chan struct{})}
	defer tasks.Register(tasks.SQLite, func(c tasks.Config) (store tasks.Store, err error) {
		slow.Store, err = sqlite.Open(c)
		return slow, err
	})()
	app := newApp("Kinds", settings(func(c *config.Config) { c.Tasks.Path = filepath.Join(t.TempDir(), "tasks.db") }))
	runtime.HandleTask(app, "slowly", upper)
	ended := make(chan error)
	go func() {
		_, err := app.Handler()
		ended <- err
	}()
	<-slow.entered
	check.OK(t, app.Shutdown(t.Context()))
	close(slow.release)
	if err := <-ended; !errors.Is(err, runtime.ErrServed) {
		t.Error(err)
	}
	check.Equal(t, slow.closed, 1)
}

// A task can call a batchable API as long as it runs.
func TestTasksEndBeforeBatches(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.db")
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Kinds", settings(func(c *config.Config) { c.Tasks.Path = path }))
		lengths := runtime.HandleBatch(app, "lengths", func(_ context.Context, items []string) ([]int, error) { return make([]int, len(items)), nil })
		entered, called := make(chan struct{}), make(chan error, 1)
		api := runtime.HandleTask(app, "slowly", func(ctx context.Context, _ text) (string, error) {
			close(entered)
			<-ctx.Done()
			time.Sleep(100 * time.Millisecond) // of the bubble
			_, err := lengths.Call(context.WithoutCancel(ctx), []string{"a"})
			called <- err
			return "", err
		})
		check.Value(app.Handler())(t)
		check.Value(api.Submit(t.Context(), text{}))(t)
		<-entered
		check.OK(t, app.Shutdown(t.Context()))
		check.OK(t, <-called)
	})
}

// GET /get sends what POST /slowly sends, whatever the function does.
func TestTaskResults(t *testing.T) {
	_, h := tasked(t, func(ctx context.Context, in text) (string, error) {
		runtime.ResponseFrom(ctx).SetHeader("X-Length", in.Text)
		runtime.ResponseFrom(ctx).SetCookie(&http.Cookie{Name: "a", Value: in.Text})
		if in.Text == "accepted" {
			runtime.ResponseFrom(ctx).SetStatus(202)
		}
		return upper(ctx, in)
	}, nil)
	for _, one := range []struct{ text, status string }{
		{"abc", "completed"}, {"accepted", "completed"}, {"boom", "failed"}, {"teapot", "failed"}, {"panic", "failed"}, {"goexit", "failed"}, {strings.Repeat("long", 5000), "completed"},
	} {
		body := `{"text":"` + one.text + `"}`
		want := response(h, "POST", "/slowly", body)
		id := submit(t, h, body)
		if got := awaitTask(t, h, id); got != one.status {
			t.Errorf("%.10s: the task is %s, want %s", one.text, got, one.status)
		}
		got := response(h, "GET", "/slowly/get?task_id="+id, "")
		for _, name := range []string{"X-Bentoml-Request-Id", "Connection"} {
			got.Header().Del(name)
			want.Header().Del(name)
		}
		want.Header().Del("Content-Length") // the server adds it to both
		if got.Code != want.Code || got.Body.String() != want.Body.String() {
			t.Errorf("%.10s: got %d %s, want %d %s", one.text, got.Code, got.Body, want.Code, want.Body)
		}
		check.Equal(t, got.Header(), want.Header())
	}
}

// Bodies of every kind are stored as they were sent, and read when the task runs.
func TestTaskBodies(t *testing.T) {
	_, h := tasked(t, upper, nil)
	for _, one := range []struct{ body, contentType, want string }{
		{`{"text":"abc"}`, "application/json", "ABC"},
		{"text=a+b", "application/x-www-form-urlencoded", "A B"},
		{"--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nabc\r\n--x--\r\n", "multipart/form-data; boundary=x", "ABC"},
		{"", "", "HELLO"},
		{"{}", "application/json", "HELLO"},
	} {
		id := submit(t, h, one.body, "Content-Type", one.contentType)
		awaitTask(t, h, id)
		if got := response(h, "GET", "/slowly/get?task_id="+id, ""); got.Code != 200 || got.Body.String() != one.want {
			t.Errorf("%q: %d %s", one.body, got.Code, got.Body)
		}
	}
}

// What Handle refuses, submit refuses, with the same words and nothing stored.
func TestTaskBadInput(t *testing.T) {
	api, h := tasked(t, upper, func(cfg *config.Config) { cfg.HTTP.MaxBodySize = 100 })
	for _, one := range []struct{ body, contentType string }{
		{`{"text":4}`, "application/json"}, {`{"text"`, "application/json"}, {"[]", "application/json"}, {"\xff", "application/json"},
		{strings.Repeat("x", 101), "application/json"}, {"a", "text/csv"}, {"--y", "multipart/form-data; boundary=x"}, {"--y", "multipart/form-data"},
	} {
		want := response(h, "POST", "/slowly", one.body, "Content-Type", one.contentType)
		got := response(h, "POST", "/slowly/submit", one.body, "Content-Type", one.contentType)
		if got.Code != want.Code || got.Code < 400 || got.Body.String() != want.Body.String() {
			t.Errorf("%q: got %d %s, want %d %s", one.body, got.Code, got.Body, want.Code, want.Body)
		}
	}
	_, err := api.Status(t.Context(), "")
	if !errors.Is(err, tasks.ErrNotFound) {
		t.Error(err)
	}
}

// Requests about a task that is not there, without an id, or with a wrong method.
func TestTaskBadRequests(t *testing.T) {
	cfg := config.Default()
	cfg.Tasks.Path = filepath.Join(t.TempDir(), "tasks.db")
	app := newApp("Kinds", runtime.WithConfig(cfg))
	runtime.HandleTask(app, "slowly", upper)
	runtime.HandleTask(app, "other", upper)
	h := handler(t, app)
	id := submit(t, h, "")
	awaitTask(t, h, id)
	for _, route := range []string{"GET status", "GET get", "POST retry", "PUT cancel"} {
		method, name, _ := strings.Cut(route, " ")
		for query, want := range map[string]string{
			"":                                     `400 {"error":"task_id is required"}`,
			"?task_id":                             `404 {"error":"task_id not found"}`,
			"?task_id=nope":                        `404 {"error":"task_id not found"}`,
			"?task_id=" + strings.ToUpper(id):      `404 {"error":"task_id not found"}`,
			"?task_id=" + strings.Repeat("0", 32):  `404 {"error":"task_id not found"}`,
			"?task_id=" + strings.Repeat("0", 9e3): `404 {"error":"task_id not found"}`,
			"?task_id=%00":                         `404 {"error":"task_id not found"}`,
		} {
			if got := sent(h, method, "/slowly/"+name+query, ""); got != want {
				t.Errorf("%s%.20s: %s, want %s", route, query, got, want)
			}
		}
		if got := sent(h, method, "/other/"+name+"?task_id="+id, ""); got != `404 {"error":"task_id not found"}` {
			t.Errorf("a task of another API: %s: %s", route, got)
		}
		if got := response(h, "DELETE", "/slowly/"+name+"?task_id="+id, ""); got.Code != 405 || !strings.Contains(got.Header().Get("Allow"), method) {
			t.Errorf("%s: %d %s", route, got.Code, got.Header())
		}
	}
	if got := response(h, "GET", "/slowly/submit", ""); got.Code != 405 || got.Header().Get("Allow") != "POST" {
		t.Errorf("submit: %d %s", got.Code, got.Header())
	}
	if got := sent(h, "PUT", "/slowly/cancel?task_id="+id, ""); got != `409 {"error":"task `+id+` has ended: it is completed"}` {
		t.Error(got)
	}
}

// A second submission with the same key is the same task, whatever happened to it.
func TestTaskIdempotency(t *testing.T) {
	_, h := tasked(t, upper, nil)
	first := submit(t, h, `{"text":"a"}`, "Idempotency-Key", "one")
	for range 2 {
		if again := submit(t, h, `{"text":"a"}`, "Idempotency-Key", "one"); again != first {
			t.Errorf("another id: %s, %s", first, again)
		}
		awaitTask(t, h, first)
	}
	if got := submitWith(h, `{"text":"b"}`, "one"); got.Code != 422 || !strings.Contains(got.Body.String(), "Idempotency-Key") {
		t.Errorf("another body: %d %s", got.Code, got.Body)
	}
	form := func(boundary, text string) (string, string, string) { // a client chooses the boundary anew
		return "--" + boundary + "\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n" + text + "\r\n--" + boundary + "--\r\n", "Content-Type", "multipart/form-data; boundary=" + boundary
	}
	sendForm := func(boundary, text string) *httptest.ResponseRecorder {
		body, header, value := form(boundary, text)
		return response(h, "POST", "/slowly/submit", body, header, value, "Idempotency-Key", "form")
	}
	a, _, _ := strings.Cut(sendForm("x", "a").Body.String(), `"status"`)
	b, _, _ := strings.Cut(sendForm("y", "a").Body.String(), `"status"`)
	if a != b || !strings.Contains(a, "task_id") {
		t.Errorf("the same form: %s, %s", a, b)
	}
	if got := sendForm("x", "b"); got.Code != 422 {
		t.Errorf("another form: %s", got.Body)
	}
	if other := submit(t, h, `{"text":"a"}`, "Idempotency-Key", "two"); other == first {
		t.Error("another key has the same id")
	}
	for _, bad := range []string{strings.Repeat("x", 256), "\x7f", "ü"} {
		if got := submitWith(h, "{}", bad); got.Code != 400 {
			t.Errorf("key %q: %d %s", bad, got.Code, got.Body)
		}
	}
}

func submitWith(h http.Handler, body, key string) *httptest.ResponseRecorder {
	return response(h, "POST", "/slowly/submit", body, "Idempotency-Key", key)
}

// cancel ends the context of the function, and the result is dropped.
func TestTaskCancel(t *testing.T) {
	entered, left := make(chan string), make(chan error)
	api, h := tasked(t, func(ctx context.Context, _ text) (string, error) {
		entered <- runtime.TaskID(ctx)
		<-ctx.Done()
		left <- ctx.Err()
		return "late", nil
	}, func(cfg *config.Config) { cfg.Tasks.Workers = 1 })
	running, waiting := submit(t, h, ""), submit(t, h, "")
	if id := <-entered; id != running {
		t.Errorf("TaskID is %q, want %q", id, running)
	}
	if got := sent(h, "GET", "/slowly/get?task_id="+running, ""); got != `400 {"error":"task `+running+` is not completed yet"}` {
		t.Error(got)
	}
	if got := sent(h, "POST", "/slowly/retry?task_id="+running, ""); got != `400 {"error":"task `+running+` is not completed yet"}` {
		t.Error(got)
	}
	check.OK(t, api.Cancel(t.Context(), waiting)) // never runs
	got := response(h, "PUT", "/slowly/cancel?task_id="+running, "")
	if body := got.Body.String(); got.Code != 200 || !strings.HasPrefix(body, `{"task_id":"`+running+`","status":"cancelled","created_at":"20`) {
		t.Errorf("cancel: %d %s", got.Code, body)
	}
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, id := range []string{running, waiting} {
		if status := awaitTask(t, h, id); status != "cancelled" {
			t.Error(status)
		}
		if got := sent(h, "GET", "/slowly/get?task_id="+id, ""); got != `409 {"error":"task `+id+` was cancelled"}` {
			t.Error(got)
		}
		if got := response(h, "GET", "/slowly/status?task_id="+id, "", "User-Agent", "BentoML HTTP Client/1.4.39"); !strings.Contains(got.Body.String(), `"status":"canceled"`) {
			t.Errorf("for BentoML's client: %s", got.Body)
		}
		if got := sent(h, "PUT", "/slowly/cancel?task_id="+id, ""); got != `409 {"error":"task `+id+` has ended: it is cancelled"}` {
			t.Error(got)
		}
		if _, err := api.Result(t.Context(), id); !errors.Is(err, tasks.ErrCancelled) {
			t.Error(err)
		}
		if err := api.Cancel(t.Context(), id); !errors.Is(err, tasks.ErrEnded) {
			t.Error(err)
		}
	}
	again := response(h, "POST", "/slowly/retry?task_id="+waiting, "")
	if again.Code != 200 {
		t.Errorf("retry: %d %s", again.Code, again.Body)
	}
	id := <-entered
	if id == waiting || id == running {
		t.Error("a retried task has the id of the first")
	}
	check.OK(t, api.Cancel(t.Context(), id))
	<-left
}

// The methods of a TaskAPI do in process what the routes do.
func TestTaskInProcess(t *testing.T) {
	type sum struct {
		Length int           `json:"length"`
		After  time.Duration `json:"after"`
	}
	cfg := config.Default()
	cfg.Tasks.Path = filepath.Join(t.TempDir(), "tasks.db")
	app := newApp("Kinds", runtime.WithConfig(cfg))
	runtime.Handle(app, "ping", func(context.Context, struct{}) (string, error) { return "", nil })
	inner := app.AddService("Inner")
	words := runtime.HandleTask(inner, "words", upper)
	count := runtime.HandleTask(inner, "count", func(_ context.Context, in []string) (sum, error) { return sum{len(in), time.Second}, nil })
	if _, err := words.Submit(t.Context(), text{"a"}); err == nil {
		t.Error("submitted before the app runs")
	}
	handler(t, app)
	if out, err := words.Call(t.Context(), text{"a"}); out != "A" || err != nil {
		t.Errorf("called: %q, %v", out, err)
	}
	id := check.Value(words.Submit(t.Context(), text{"a"}))(t)
	for {
		rec := check.Value(words.Status(t.Context(), id))(t)
		if rec.Status.Ended() {
			break
		}
		if _, err := words.Result(t.Context(), id); err != nil && !errors.Is(err, tasks.ErrNotEnded) {
			t.Error(err)
		}
	}
	if out, err := words.Result(t.Context(), id); out != "A" || err != nil {
		t.Errorf("result: %q, %v", out, err)
	}
	if _, err := count.Result(t.Context(), id); !errors.Is(err, tasks.ErrNotFound) {
		t.Errorf("of another API: %v", err)
	}
	id = check.Value(count.Submit(t.Context(), []string{"a", "b"}))(t)
	for !check.Value(count.Status(t.Context(), id))(t).Status.Ended() {
	}
	if out, err := count.Result(t.Context(), id); out != (sum{2, time.Second}) || err != nil {
		t.Errorf("result: %v, %v", out, err)
	}
	id = check.Value(words.Submit(t.Context(), text{"teapot"}))(t)
	for !check.Value(words.Status(t.Context(), id))(t).Status.Ended() {
	}
	var failed *runtime.Error
	if _, err := words.Result(t.Context(), id); !errors.As(err, &failed) || failed.Status != 418 || failed.Message != "short and stout" {
		t.Errorf("failed: %v", err)
	}
}

// A task waits for a slot of max_concurrency, and takes it like a request.
func TestTaskSlots(t *testing.T) {
	g := newGate()
	_, h := tasked(t, g.wait, nil, runtime.MaxConcurrency(1))
	first, second := submit(t, h, ""), submit(t, h, "")
	<-g.entered
	if got := response(h, "POST", "/slowly", ""); got.Code != 429 {
		t.Errorf("a request beside the task: %d", got.Code)
	}
	g.release <- struct{}{}
	<-g.entered
	if got := response(h, "GET", "/slowly/get?task_id="+first, ""); got.Code == 429 {
		t.Error("the routes of a task need a slot")
	}
	g.release <- struct{}{}
	if status := awaitTask(t, h, second); status != "completed" {
		t.Error(status)
	}
}

// traffic.timeout ends a request, and not a task.
func TestTaskTimeout(t *testing.T) {
	release := make(chan struct{})
	_, h := tasked(t, func(ctx context.Context, _ text) (string, error) {
		if _, limited := ctx.Deadline(); limited {
			<-ctx.Done()
			return "", ctx.Err()
		}
		<-release
		return "done", ctx.Err()
	}, func(cfg *config.Config) { cfg.Traffic.Timeout = 10 * time.Millisecond })
	id := submit(t, h, "")
	if got := response(h, "POST", "/slowly", ""); got.Code != 504 {
		t.Errorf("a request: %d", got.Code)
	}
	close(release)
	if status := awaitTask(t, h, id); status != "completed" {
		t.Error(status)
	}
}

// A path prefix and wildcards of the route reach the function.
func TestTaskRoute(t *testing.T) {
	cfg := config.Default()
	cfg.HTTP.PathPrefix = "/ml"
	cfg.Tasks.Path = filepath.Join(t.TempDir(), "tasks.db")
	app := newApp("Kinds", runtime.WithConfig(cfg))
	runtime.HandleTask(app, "slowly", func(ctx context.Context, _ text) (string, error) {
		return runtime.RequestFrom(ctx).PathValue("model") + " " + runtime.RequestFrom(ctx).Route(), nil
	}, runtime.Route("/models/{model}"))
	h := handler(t, app)
	got := response(h, "POST", "/ml/models/a%20b/submit", "")
	var status struct {
		ID string `json:"task_id"`
	}
	check.Must(t, json.Unmarshal(got.Body.Bytes(), &status))
	for {
		got := sent(h, "GET", "/ml/models/x/get?task_id="+status.ID, "")
		if !strings.Contains(got, "not completed") {
			check.Equal(t, got, "200 a b /models/{model}")
			return
		}
	}
}

// Each of the routes has its label. A run is not counted as a request.
func TestTaskMetrics(t *testing.T) {
	_, h := tasked(t, upper, nil)
	awaitTask(t, h, submit(t, h, ""))
	awaitTask(t, h, submit(t, h, `{"text":"boom"}`))
	response(h, "PUT", "/slowly/cancel", "")
	page := response(h, "GET", "/metrics", "").Body.String()
	check.Contains(t, page,
		`bentoml_service_request_total{endpoint="/slowly/submit",http_response_code="200",runner_name="Kinds",service_name="Kinds",service_version="not available"} 2`,
		`bentoml_service_request_total{endpoint="/slowly/cancel",http_response_code="400",runner_name="Kinds",service_name="Kinds",service_version="not available"} 1`,
		`bentoml_service_request_total{endpoint="/slowly",http_response_code="200",runner_name="Kinds",service_name="Kinds",service_version="not available"} 0`,
		`ekiben_task_ended_total{method_name="slowly",runner_name="Kinds",service_name="Kinds",service_version="not available",status="completed"} 1`,
		`ekiben_task_ended_total{method_name="slowly",runner_name="Kinds",service_name="Kinds",service_version="not available",status="failed"} 1`,
		`ekiben_task_ended_total{method_name="slowly",runner_name="Kinds",service_name="Kinds",service_version="not available",status="cancelled"} 0`)
}

// A submission that finds no room gets a 503, and finds room when a task has ended.
func TestTaskLimits(t *testing.T) {
	g := newGate()
	_, h := tasked(t, g.wait, func(cfg *config.Config) { cfg.Tasks.MaxPending, cfg.Tasks.MaxBytes = 2, 5000 })
	first := submit(t, h, "")
	keyed := submit(t, h, "", "Idempotency-Key", "a")
	<-g.entered
	<-g.entered
	if got := response(h, "POST", "/slowly/submit", ""); got.Code != 503 || got.Header().Get("Retry-After") != "1" || !strings.Contains(got.Body.String(), "full") {
		t.Errorf("%d %s %s", got.Code, got.Header(), got.Body)
	}
	check.Equal(t, submit(t, h, "", "Idempotency-Key", "a"), keyed) // is no new task
	close(g.release)
	awaitTask(t, h, first)
	large := `{"text":"` + strings.Repeat("x", 3000) + `"}`
	second := submit(t, h, large)
	awaitTask(t, h, second)
	third := submit(t, h, large) // in place of the older ones
	awaitTask(t, h, third)
	if got := response(h, "GET", "/slowly/get?task_id="+second, ""); got.Code != 404 {
		t.Errorf("the older task: %d %s", got.Code, got.Body)
	}
	if got := response(h, "POST", "/slowly/submit", `{"text":"`+strings.Repeat("x", 6000)+`"}`); got.Code != 413 || !strings.Contains(got.Body.String(), "larger than the store") {
		t.Errorf("a body larger than the store: %d %s", got.Code, got.Body)
	}
}

// What prevents a task from being kept is an error at the start that says what to do.
func TestTaskStartErrors(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	check.Must(t, os.WriteFile(text, []byte(strings.Repeat("no database ", 1000)), 0o600))
	for name, one := range map[string]struct {
		change func(*config.Tasks)
		want   []string
	}{
		"no directory":  {func(c *config.Tasks) { c.Path = filepath.Join(dir, "no", "tasks.db") }, []string{"tasks.path: the directory " + filepath.Join(dir, "no") + " must exist"}},
		"a directory":   {func(c *config.Tasks) { c.Path = dir }, []string{"tasks.path: ", "is a directory"}},
		"read-only":     {func(c *config.Tasks) { c.Path = "/proc/tasks.db" }, []string{"tasks.path: the directory /proc must exist and this process must be able to write"}},
		"no database":   {func(c *config.Tasks) { c.Path = text }, []string{"tasks.path: " + text + " must be a database of SQLite"}},
		"not linked":    {func(c *config.Tasks) { c.Store, c.DSN = "postgres", config.NewSecret("postgres://h/d") }, []string{`import _ "github.com/ekiben-serving/ekiben/tasks/postgres"`}},
		"no connection": {func(c *config.Tasks) { c.Store = "postgres" }, []string{"tasks.dsn: must be a connection string"}},
	} {
		cfg := config.Default()
		one.change(&cfg.Tasks)
		app := newApp("Kinds", runtime.WithConfig(cfg))
		runtime.HandleTask(app, "slowly", upper)
		_, err := app.Handler()
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		check.Contains(t, err.Error(), one.want...)
	}
}

// An API at the route of another one's task is refused.
func TestTaskRoutesAreTaken(t *testing.T) {
	app := newApp("Kinds")
	runtime.HandleTask(app, "slowly", upper)
	runtime.Handle(app, "other", upper, runtime.Route("/slowly/cancel"))
	check.Contains(t, app.Check().Error(), `API "other": route /slowly/cancel belongs to API "slowly" (/slowly/cancel)`)
}

// A body that does not arrive is a 504 at the timeout, as with Handle.
func TestTaskBodyThatNeverComes(t *testing.T) {
	_, h := tasked(t, upper, func(cfg *config.Config) { cfg.Traffic.Timeout = 20 * time.Millisecond })
	server := httptest.NewServer(h)
	defer server.Close()
	conn := check.Value(net.Dial("tcp", server.Listener.Addr().String()))(t)
	defer conn.Close()
	check.Value(io.WriteString(conn, "POST /slowly/submit HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"))(t)
	got := check.Value(io.ReadAll(conn))(t)
	check.Contains(t, string(got), "HTTP/1.1 504 ", "Not able to process the request in 0.02 seconds")
}

// away is a store that never answers, as that of a server that is down.
type away struct{ tasks.Store }

func (away) Prepare(context.Context) error {
	return fmt.Errorf("%w: connection refused", tasks.ErrUnavailable)
}
func (away) Close() error { return nil }

// While the store is away, the app starts, all five routes respond 503, and the others work.
func TestTaskStoreAway(t *testing.T) {
	undo := tasks.Register(tasks.SQLite, func(tasks.Config) (tasks.Store, error) { return away{}, nil })
	defer undo()
	api, h := tasked(t, upper, nil)
	id := "?task_id=" + strings.Repeat("0", 32)
	for _, route := range []string{"POST /submit", "GET /status" + id, "GET /get" + id, "POST /retry" + id, "PUT /cancel" + id} {
		method, path, _ := strings.Cut(route, " ")
		got := response(h, method, "/slowly"+path, "")
		if got.Code != 503 || got.Header().Get("Retry-After") != "1" || !strings.Contains(got.Body.String(), "The store of the tasks is not available") {
			t.Errorf("%s: %d %s %s", route, got.Code, got.Header(), got.Body)
		}
	}
	if got := sent(h, "POST", "/slowly", ""); got != "200 HELLO" {
		t.Errorf("a direct call: %s", got)
	}
	if got := sent(h, "POST", "/slowly/submit", `{"text":4}`); !strings.HasPrefix(got, "400 ") {
		t.Errorf("a bad input: %s", got)
	}
	if _, err := api.Submit(t.Context(), text{}); !errors.Is(err, tasks.ErrUnavailable) {
		t.Error(err)
	}
}

// A task that runs at the end of the grace is given back, and the next app runs it at once.
// Serve returns nil: nothing is lost.
func TestTaskDrain(t *testing.T) {
	for name, grace := range map[string]time.Duration{"cut": 10 * time.Millisecond, "finished": patience} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			cfg.Tasks.Path = filepath.Join(t.TempDir(), "tasks.db")
			cfg.Shutdown = config.Shutdown{Grace: grace}
			entered, release := make(chan struct{}, 2), make(chan struct{})
			serving := func() *server {
				app := newApp("Kinds", runtime.WithConfig(cfg))
				runtime.HandleTask(app, "slowly", func(ctx context.Context, in text) (string, error) {
					entered <- struct{}{}
					select {
					case <-release:
						return in.Text, nil
					case <-ctx.Done():
						return "", ctx.Err()
					}
				})
				return serve(t, app)
			}
			first := serving()
			post := check.Value(first.http.Post(first.url+"/slowly/submit", "application/json", nil))(t)
			var status struct {
				ID string `json:"task_id"`
			}
			check.Must(t, json.NewDecoder(post.Body).Decode(&status), post.Body.Close())
			<-entered
			if name == "finished" {
				time.AfterFunc(time.Millisecond, func() { close(release) })
			}
			check.OK(t, first.end())
			second := serving()
			if name == "cut" {
				<-entered // within far less than the lease
				close(release)
			}
			for {
				get := check.Value(second.http.Get(second.url + "/slowly/get?task_id=" + status.ID))(t)
				body := check.Value(io.ReadAll(get.Body))(t)
				_ = get.Body.Close()
				if get.StatusCode == 200 && string(body) == "hello" {
					break
				}
				if get.StatusCode != 400 {
					t.Fatalf("%d %s", get.StatusCode, body)
				}
			}
			check.OK(t, second.end())
			if len(entered) > 0 {
				t.Error("a task that finished within the grace ran again")
			}
		})
	}
}

// A file is stored with its task, and is sent as the function would have sent it.
func TestTaskFiles(t *testing.T) {
	cfg := config.Default()
	cfg.Tasks.Path = filepath.Join(t.TempDir(), "tasks.db")
	app := newApp("Kinds", runtime.WithConfig(cfg))
	runtime.HandleTask(app, "slowly", func(_ context.Context, in struct {
		File runtime.File `json:"file"`
		Add  string       `json:"add"`
	}) (runtime.File, error) {
		content, err := io.ReadAll(in.File.Reader())
		return runtime.NewFile(in.File.Name()+".out", "text/x-made", append(content, in.Add...)), err
	})
	h := handler(t, app)
	body := "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n" + strings.Repeat("long", 1<<20) +
		"\r\n--x\r\nContent-Disposition: form-data; name=\"add\"\r\n\r\nmore\r\n--x--\r\n"
	want := response(h, "POST", "/slowly", body, "Content-Type", "multipart/form-data; boundary=x")
	id := submit(t, h, body, "Content-Type", "multipart/form-data; boundary=x")
	awaitTask(t, h, id)
	got := response(h, "GET", "/slowly/get?task_id="+id, "")
	if got.Code != 200 || want.Code != 200 || got.Body.String() != want.Body.String() || got.Body.Len() != 4<<20+4 {
		t.Errorf("got %d with %d bytes, want %d with %d", got.Code, got.Body.Len(), want.Code, want.Body.Len())
	}
	for _, name := range []string{"Content-Type", "Content-Disposition"} {
		check.Equal(t, got.Header().Get(name), want.Header().Get(name))
	}
	if bad := response(h, "POST", "/slowly/submit", "{}", "Content-Type", "application/json"); bad.Code != 400 {
		t.Errorf("without the file: %d %s", bad.Code, bad.Body)
	}
}

// A task runs after the app has started: its function may need what Warm makes.
func TestTaskAfterWarm(t *testing.T) {
	cfg := config.Default()
	cfg.Tasks.Path = filepath.Join(t.TempDir(), "tasks.db")
	app := newApp("Kinds", runtime.WithConfig(cfg))
	warm, warming, release := false, make(chan struct{}), make(chan struct{})
	app.Warm(func(context.Context) error {
		close(warming)
		<-release
		warm = true // the race detector sees a task that runs before
		return nil
	})
	api := runtime.HandleTask(app, "slowly", func(context.Context, text) (bool, error) { return warm, nil })
	s := serve(t, app)
	<-warming
	id := check.Value(api.Submit(t.Context(), text{}))(t)
	if rec := check.Value(api.Status(t.Context(), id))(t); rec.Status != tasks.Waiting {
		t.Errorf("while the app warms: %+v", rec)
	}
	close(release)
	for !check.Value(api.Status(t.Context(), id))(t).Status.Ended() {
	}
	if got, err := api.Result(t.Context(), id); !got || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	check.OK(t, s.end())
}
