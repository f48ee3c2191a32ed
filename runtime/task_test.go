package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/tasks"
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

// awaitResult returns the result of a task whose function is fn.
func awaitResult[Out any](t *testing.T, fn func(context.Context, text) (Out, error)) Out {
	t.Helper()
	api, _ := tasked(t, fn, nil)
	return resultOf(t, api, text{Text: "abc"})
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

// A path prefix and wildcards of the route reach the function.
func TestTaskRoute(t *testing.T) {
	for prefix, sent := range map[string]string{"/ml": "/ml", "/é/ml": "/%C3%A9/ml", "/é": "/%c3%a9"} {
		t.Run(prefix, func(t *testing.T) { taskRoute(t, prefix, sent) })
	}
}

func taskRoute(t *testing.T, prefix, escaped string) {
	cfg := config.Default()
	cfg.HTTP.PathPrefix = prefix
	cfg.Tasks.Path = filepath.Join(t.TempDir(), "tasks.db")
	app := newApp("Kinds", runtime.WithConfig(cfg))
	runtime.HandleTask(app, "slowly", func(ctx context.Context, _ text) (string, error) {
		return runtime.RequestFrom(ctx).PathValue("model") + " " + runtime.RequestFrom(ctx).Route(), nil
	}, runtime.Route("/models/{model}"))
	h := handler(t, app)
	got := response(h, "POST", escaped+"/models/a%20b/submit", "")
	var status struct {
		ID string `json:"task_id"`
	}
	check.Must(t, json.Unmarshal(got.Body.Bytes(), &status))
	for {
		got := sent(h, "GET", escaped+"/models/x/get?task_id="+status.ID, "")
		if !strings.Contains(got, "not completed") {
			check.Equal(t, got, "200 a b /models/{model}")
			return
		}
	}
}

// A body that was accepted as a task runs, whatever http.max_body_size is then.
func TestTaskLargerThanABody(t *testing.T) {
	api, h := tasked(t, upper, func(cfg *config.Config) { cfg.HTTP.MaxBodySize = 100 })
	id := check.Value(api.Submit(t.Context(), text{strings.Repeat("x", 200)}))(t)
	check.Equal(t, awaitTask(t, h, id), "completed")
	check.Equal(t, response(h, "POST", "/slowly/submit", strings.Repeat(" ", 101)).Code, 413)
}

// Submit in process takes every input that the route takes.
func TestTaskInputsInProcess(t *testing.T) {
	type album struct {
		Title  string          `json:"title"`
		Cover  runtime.Image   `json:"cover"`
		Pages  []runtime.File  `json:"pages"`
		Back   image.Image     `json:"back"`
		Extra  *runtime.File   `json:"extra"`
		Rating *float64        `json:"rating"`
		Tags   map[string]bool `json:"tags"`
	}
	cfg := config.Default()
	cfg.Tasks.Path = filepath.Join(t.TempDir(), "tasks.db")
	app := newApp("Kinds", runtime.WithConfig(cfg))
	albums := runtime.HandleTask(app, "album", func(_ context.Context, in album) (string, error) {
		told := fmt.Sprint(in.Title, " ", in.Cover.Format, in.Cover.Bounds(), in.Back.Bounds(), in.Extra == nil, in.Rating == nil, in.Tags)
		for _, page := range in.Pages {
			told += fmt.Sprint(" ", page.Name(), " ", page.ContentType(), " ", string(check.Value(page.Bytes())(t)))
		}
		return told, nil
	})
	whole := runtime.HandleTask(app, "file", func(_ context.Context, in runtime.File) (string, error) {
		return in.Name() + " " + in.ContentType() + " " + string(check.Value(in.Bytes())(t)), nil
	})
	picture := runtime.HandleTask(app, "image", func(_ context.Context, in image.Image) (string, error) { return fmt.Sprint(in.Bounds()), nil })
	handler(t, app)
	gray := image.NewGray(image.Rect(0, 0, 3, 2))
	check.Equal(t, resultOf(t, albums, album{
		Title: "12", Cover: runtime.Image{Image: gray, Format: "jpeg"}, Back: gray, Tags: map[string]bool{"a": true},
		Pages: []runtime.File{runtime.NewFile("é\".txt", "text/x-own", []byte("one")), runtime.NewFile("", "", []byte("two"))},
	}), "12 jpeg(0,0)-(3,2) (0,0)-(3,2) true true map[a:true] é\".txt text/x-own one file  two")
	check.Equal(t, resultOf(t, whole, runtime.NewFile("é.txt", "text/x-own", []byte("abc"))), "é.txt text/x-own abc")
	check.Equal(t, resultOf(t, whole, runtime.File{}), "  ")
	check.Equal(t, resultOf(t, picture, image.Image(gray)), "(0,0)-(3,2)")
	_, err := albums.Submit(t.Context(), album{})
	check.Contains(t, fmt.Sprint(err), "cover: an image must not be nil")
	_, err = picture.Submit(t.Context(), nil)
	check.Contains(t, fmt.Sprint(err), "an image must not be nil")
}

// resultOf submits a task in process and returns its result.
func resultOf[In, Out any](t *testing.T, api *runtime.TaskAPI[In, Out], in In) Out {
	t.Helper()
	id := check.Value(api.Submit(t.Context(), in))(t)
	for {
		if out, err := api.Result(t.Context(), id); !errors.Is(err, tasks.ErrNotEnded) {
			check.Must(t, err)
			return out
		}
		time.Sleep(time.Millisecond)
	}
}

// In process, a task has the result and the error that its function returned, and no values
// of wildcards.
func TestTaskOutcomesInProcess(t *testing.T) {
	api, h := tasked(t, func(ctx context.Context, in text) (map[string]string, error) {
		if in.Text == "busy" {
			return nil, &runtime.Error{Status: 503, Message: "busy", RetryAfter: 7 * time.Second}
		}
		runtime.ResponseFrom(ctx).SetStatus(404)
		return map[string]string{"model": runtime.RequestFrom(ctx).PathValue("model")}, nil
	}, nil, runtime.Route("/models/{model}"))
	check.Equal(t, resultOf(t, api, text{}), map[string]string{"model": ""})
	id := check.Value(api.Submit(t.Context(), text{"busy"}))(t)
	var failed *runtime.Error
	for !errors.As(second(api.Result(t.Context(), id)), &failed) {
		time.Sleep(time.Millisecond)
	}
	check.Equal(t, fmt.Sprint(failed.Status, " ", failed.Message, " ", failed.RetryAfter), "503 busy 7s")
	got := response(h, "POST", "/models/a/submit", "")
	check.Equal(t, got.Code, 200)
}

func second[T any](_ T, err error) error { return err }
