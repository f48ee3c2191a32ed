package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// server is a process that serves tasks, and its successors on the same port.
type server struct {
	port    int
	environ []string
	cmd     *exec.Cmd
	output  bytes.Buffer
}

func (s *server) start() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	s.cmd = exec.Command(program)
	s.cmd.Env = append(os.Environ(), s.environ...)
	s.output.Reset()
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	return s.cmd.Start()
}

// kill kills the process as the kernel does when memory is short.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// load is a run of this program.
type load struct {
	flags

	servers []*server
	client  *http.Client
	ids     []string // by the number of the task
	retried int
}

// run kills servers while it submits tasks, and returns what happened. Its error says what
// was lost.
func run(f flags) (string, error) {
	dir, err := os.MkdirTemp("", "kills")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	if f.Path == "" {
		f.Path = filepath.Join(dir, "tasks.db")
	}
	l := &load{flags: f, client: &http.Client{Timeout: 20 * time.Second}, ids: make([]string, f.Tasks)}
	defer l.client.CloseIdleConnections()
	runs := filepath.Join(dir, "runs")
	for range f.Replicas {
		port, err := freePort()
		if err != nil {
			return "", err
		}
		l.servers = append(l.servers, &server{port: port, environ: []string{
			childPort + "=" + strconv.Itoa(port), childRuns + "=" + runs, "KILLS_STORE=" + f.Store, "KILLS_PATH=" + f.Path, "KILLS_DSN=" + f.DSN,
		}})
	}
	begun := time.Now()
	for _, s := range l.servers {
		if err := s.start(); err != nil {
			return "", err
		}
		defer func() { s.kill() }()
	}
	for round := range f.Kills {
		if err := l.round(round*f.Tasks/f.Kills, (round+1)*f.Tasks/f.Kills); err != nil {
			return "", err
		}
	}
	if err := l.check(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, l.servers[0].output.String())
	}
	began, err := os.ReadFile(runs)
	return fmt.Sprintf("%d tasks, %d kills, %d requests sent again, %d runs begun, none lost, %.0f s",
		f.Tasks, f.Kills, l.retried, strings.Count(string(began), "\n"), time.Since(begun).Seconds()), err
}

// freePort returns a port that the system gives to nobody who asks for any: a server that was
// killed leaves it free for a moment.
func freePort() (int, error) {
	var err error
	for range 100 {
		port := 20000 + rand.IntN(10000)
		var listener net.Listener
		if listener, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, listener.Close()
		}
	}
	return 0, err
}

// round submits some tasks at once, and kills a server when a random number of them has
// been accepted.
func (l *load) round(from, to int) error {
	accepted := make(chan error, to-from)
	var mu sync.Mutex
	for n := from; n < to; n++ {
		go func() {
			id, retried, err := l.submit(n)
			mu.Lock()
			defer mu.Unlock()
			l.ids[n], l.retried = id, l.retried+retried
			accepted <- err
		}()
	}
	victim, when := l.servers[rand.IntN(len(l.servers))], 1+rand.IntN(to-from)
	var errs []error
	for n := range to - from {
		if errs = append(errs, <-accepted); n+1 == when {
			victim.kill()
			errs = append(errs, victim.start())
		}
	}
	return errors.Join(errs...)
}

// submit submits a task until a server accepts it. The key makes it one task, also if the
// response to the first request was lost.
func (l *load) submit(n int) (id string, retried int, err error) {
	body := fmt.Sprintf(`{"text":"%s-%d"}`, strings.Repeat("x", n%7), n)
	for deadline := time.Now().Add(time.Minute); ; retried++ {
		at := l.servers[(n+retried)%len(l.servers)]
		r, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/upper/submit", at.port), strings.NewReader(body))
		if err != nil {
			return "", retried, err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", strconv.Itoa(n))
		status, response, err := l.send(r)
		var task struct {
			ID string `json:"task_id"`
		}
		if err == nil && status == http.StatusOK && json.Unmarshal([]byte(response), &task) == nil {
			return task.ID, retried, nil
		}
		if time.Now().After(deadline) {
			return "", retried, fmt.Errorf("task %d was not accepted: %d %s %w", n, status, response, err)
		}
		time.Sleep(20 * time.Millisecond) // the server starts
	}
}

func (l *load) send(r *http.Request) (int, string, error) {
	response, err := l.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close() //nolint:errcheck // all of it was read
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// check waits until all tasks have ended, and compares their results.
func (l *load) check() error {
	var errs []error
	for n, id := range l.ids {
		want := fmt.Sprintf("%s-%d", strings.Repeat("X", n%7), n)
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/upper/get?task_id=%s", l.servers[n%len(l.servers)].port, id), nil)
			if err != nil {
				return err
			}
			status, got, err := l.send(r)
			if status == http.StatusOK && got == want {
				break
			}
			pending := err != nil || status == http.StatusServiceUnavailable || strings.Contains(got, "is not completed yet")
			if !pending || time.Now().After(deadline) {
				errs = append(errs, fmt.Errorf("task %d: got %d %s %w, want %s", n, status, got, err, want))
				break
			}
		}
	}
	return errors.Join(errs...)
}
