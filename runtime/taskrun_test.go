package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	store := check.Value(sqlite.Open(tasks.Config{Path: filepath.Join(t.TempDir(), "tasks.db")}))(t)
	slow := &slowStore{Store: store, entered: make(chan struct{}), release: make(chan struct{})}
	app := newApp("Kinds", runtime.WithTaskStore(slow))
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

// Each of the routes has its label. A run is not counted as a request.
func TestTaskMetrics(t *testing.T) {
	_, h := tasked(t, upper, nil)
	awaitTask(t, h, submit(t, h, ""))
	awaitTask(t, h, submit(t, h, `{"text":"boom"}`))
	response(h, "PUT", "/slowly/cancel", "")
	for late := time.Now().Add(patience); samplesOf(h, "ekiben_task_ended_total", `"failed"`, "} 1") == ""; { // counted after its end is stored
		if time.Now().After(late) {
			t.Fatal("the failed task is not counted")
		}
	}
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
	api, h := tasked(t, g.wait, func(cfg *config.Config) { cfg.Tasks.MaxPending, cfg.Tasks.MaxBytes = 2, 5000 })
	first := submit(t, h, "")
	keyed := submit(t, h, "", "Idempotency-Key", "a")
	<-g.entered
	<-g.entered
	if got := response(h, "POST", "/slowly/submit", ""); got.Code != 503 || got.Header().Get("Retry-After") != "1" || !strings.Contains(got.Body.String(), "full") {
		t.Errorf("%d %s %s", got.Code, got.Header(), got.Body)
	}
	check.Equal(t, submit(t, h, "", "Idempotency-Key", "a"), keyed) // is no new task
	_, err := api.Submit(t.Context(), text{})
	var refused *runtime.Error
	if !errors.Is(err, tasks.ErrFull) || !errors.As(err, &refused) || refused.Status != 503 {
		t.Error(err)
	}
	check.Contains(t, response(h, "GET", "/metrics", "").Body.String(),
		`ekiben_task_running{method_name="slowly",runner_name="Kinds",service_name="Kinds",service_version="not available"} 2`)
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
	if got := response(h, "POST", "/slowly/submit", `{"text":"`+strings.Repeat("x", 6000)+`"}`); got.Code != 413 || !strings.Contains(got.Body.String(), "at most 5000 are allowed") {
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

// away is a store that never answers, as that of a server that is down.
type away struct{ tasks.Store }

func (away) Prepare(context.Context) error {
	return fmt.Errorf("%w: connection refused", tasks.ErrUnavailable)
}

func (away) Close() error { return nil }

// While the store is away, the app starts, all five routes respond 503, and the others work.
func TestTaskStoreAway(t *testing.T) {
	app := newApp("Kinds", runtime.WithTaskStore(away{}))
	api := runtime.HandleTask(app, "slowly", upper)
	h := handler(t, app)
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
			serving := func() (*server, *runtime.TaskAPI[text, string]) {
				app := newApp("Kinds", runtime.WithConfig(cfg))
				api := runtime.HandleTask(app, "slowly", func(ctx context.Context, in text) (string, error) {
					entered <- struct{}{}
					select {
					case <-release:
						return in.Text, nil
					case <-ctx.Done():
						return "", ctx.Err()
					}
				})
				return serve(t, app), api
			}
			first, api := serving()
			first.do("GET", "/livez", "")
			id := check.Value(api.Submit(t.Context(), text{"hello"}))(t)
			<-entered
			if name == "finished" {
				time.AfterFunc(time.Millisecond, func() { close(release) })
			}
			check.OK(t, first.end())
			second, _ := serving()
			if name == "cut" {
				<-entered // within far less than the lease
				close(release)
			}
			for {
				get := check.Value(second.http.Get(second.url + "/slowly/get?task_id=" + id))(t)
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
