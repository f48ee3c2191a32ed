package runtime_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
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

// A submission whose body stops arriving is a 408, as any request; its timeout is a 504.
func TestSilentSubmission(t *testing.T) {
	for want, change := range map[string]func(*config.Config){
		"408 {\"error\":\"The request body stopped arriving\"}":             func(c *config.Config) { c.HTTP.Limits.BodyTimeout = 3 * time.Second },
		"504 {\"error\":\"Not able to process the request in 20 seconds\"}": func(c *config.Config) { c.Traffic.Timeout = 20 * time.Second },
	} {
		synctest.Test(t, func(t *testing.T) {
			app := newApp("Kinds", settings(change), runtime.WithTaskStore(away{}))
			runtime.HandleTask(app, "slowly", upper)
			s := serveOn(t, app, newPipes())
			conn := s.dial()
			_, _ = io.WriteString(conn, "POST /slowly/submit HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
			response := check.Value(http.ReadResponse(bufio.NewReader(conn), nil))(t)
			body := check.Value(io.ReadAll(response.Body))(t)
			check.Equal(t, response.Status[:3]+" "+string(body), want)
			check.OK(t, conn.Close(), s.end())
		})
	}
}

// lateStore takes its time to store a task.
type lateStore struct {
	tasks.Store

	entered, release chan struct{}
}

func (s *lateStore) Submit(ctx context.Context, one tasks.Submission) (tasks.Record, error) {
	close(s.entered)
	<-s.release
	return s.Store.Submit(ctx, one)
}

// large is the body of a request, of so many KiB.
func large(kib int) string { return `{"text":"` + strings.Repeat("x", kib<<10) + `"}` }

// A body that becomes a task is in http.max_bodies until the task is stored, with the copy that
// is stored.
func TestSubmissionInBudget(t *testing.T) {
	stored := check.Value(sqlite.Open(tasks.Config{Path: filepath.Join(t.TempDir(), "tasks.db")}))(t)
	store := &lateStore{Store: stored, entered: make(chan struct{}), release: make(chan struct{})}
	app := newApp("Kinds", settings(func(c *config.Config) { c.HTTP.MaxBodies = 400 << 10 }), runtime.WithTaskStore(store))
	runtime.HandleTask(app, "slowly", upper)
	h := handler(t, app)
	check.Contains(t, sent(h, "POST", "/slowly/submit", large(250)), "503 ", "no memory")
	ended := make(chan string)
	go func() { ended <- sent(h, "POST", "/slowly/submit", large(150)) }()
	<-store.entered
	check.Contains(t, sent(h, "POST", "/slowly", large(150)), "503 ", "no memory")
	close(store.release)
	check.Contains(t, <-ended, "200 ", "task_id")
	check.Contains(t, sent(h, "POST", "/slowly", large(150)), "200 ")
}

// A task that was accepted runs while the bodies of requests leave no room for another one.
func TestTaskBesideFullBudget(t *testing.T) {
	slowly, hold := newGate(), newGate()
	app := newApp("Kinds", settings(func(c *config.Config) {
		c.HTTP.MaxBodies = 300 << 10
		c.Tasks.Path = filepath.Join(t.TempDir(), "tasks.db")
	}))
	runtime.HandleTask(app, "slowly", slowly.wait, runtime.MaxConcurrency(1))
	runtime.Handle(app, "hold", hold.wait)
	h := handler(t, app)
	go sent(h, "POST", "/slowly", "")
	<-slowly.entered
	id := submit(t, h, large(100))
	go sent(h, "POST", "/hold", large(250))
	<-hold.entered
	close(slowly.release)
	<-slowly.entered
	check.Equal(t, awaitTask(t, h, id), "completed")
	close(hold.release)
}
