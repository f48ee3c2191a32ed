package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/tasks"
)

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
		if got.Code != 200 {
			continue
		}
		etag := got.Header().Get("Etag")
		for _, part := range []struct{ ranges, ifRange, want string }{
			{"bytes=2-4", "", "206 234 bytes 2-4/10"},
			{"bytes=-1", etag, "206 9 bytes 9-9/10"},
			{"bytes=2-4", `"other"`, "200 0123456789 "},
		} {
			got := response(h, "GET", "/slowly/get?task_id="+id, "", "Range", part.ranges, "If-Range", part.ifRange)
			check.Equal(t, fmt.Sprint(got.Code, " ", got.Body, " ", got.Header().Get("Content-Range")), part.want)
		}
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
	retry := func() string {
		id, _, _ := strings.Cut(response(h, "POST", "/slowly/retry?task_id="+first, "", "Idempotency-Key", "again").Body.String(), `"status"`)
		return id
	}
	check.Equal(t, retry(), retry())
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
	check.Contains(t, response(h, "GET", "/metrics", "").Body.String(),
		`ekiben_task_queue_depth{method_name="slowly",runner_name="Kinds",service_name="Kinds",service_version="not available"} 0`,
		`ekiben_task_running{method_name="slowly",runner_name="Kinds",service_name="Kinds",service_version="not available"} 0`)
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

// The name of a file that is the whole body is stored, and tells one submission from another.
func TestTaskFileNames(t *testing.T) {
	cfg := config.Default()
	cfg.Tasks.Path = filepath.Join(t.TempDir(), "tasks.db")
	app := newApp("Kinds", runtime.WithConfig(cfg))
	runtime.HandleTask(app, "slowly", func(_ context.Context, in runtime.File) (string, error) { return in.Name(), nil })
	h := handler(t, app)
	named := func(name string) []string {
		return []string{"Idempotency-Key", "a", "Content-Type", "text/plain", "Content-Disposition", `attachment; filename="` + name + `"`}
	}
	id := submit(t, h, "abc", named("a.txt")...)
	awaitTask(t, h, id)
	check.Equal(t, response(h, "GET", "/slowly/get?task_id="+id, "").Body.String(), "a.txt")
	check.Equal(t, response(h, "POST", "/slowly/submit", "abc", named("b.txt")...).Code, 422)
}

// GET /get keeps the values that middleware adds to headers of several values.
func TestTaskResultsBehindMiddleware(t *testing.T) {
	cfg := config.Default()
	cfg.Tasks.Path = filepath.Join(t.TempDir(), "tasks.db")
	app := newApp("Kinds", runtime.WithConfig(cfg))
	runtime.HandleTask(app, "slowly", func(ctx context.Context, _ text) (string, error) {
		runtime.ResponseFrom(ctx).AddHeader("Vary", "Accept")
		runtime.ResponseFrom(ctx).SetCookie(&http.Cookie{Name: "theme", Value: "dark"})
		return "", nil
	})
	app.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "Origin")
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
			next.ServeHTTP(w, r)
		})
	})
	h := handler(t, app)
	id := submit(t, h, "")
	awaitTask(t, h, id)
	direct, got := response(h, "POST", "/slowly", "").Header(), response(h, "GET", "/slowly/get?task_id="+id, "").Header()
	for _, name := range []string{"Vary", "Set-Cookie"} {
		check.Equal(t, got[name], direct[name])
		check.Equal(t, len(got[name]), 2)
	}
}
