package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// drainChild, in the environment, makes the test binary a server on the
// listener it inherits.
const drainChild = "EKIBEN_TEST_DRAIN_CHILD"

func runDrainChild() int {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	svc := runtime.NewService("Drained")
	runtime.Handle(svc, "work", func(_ context.Context, in text) (string, error) {
		time.Sleep(2 * time.Millisecond)
		return in.Text, nil
	})
	cfg := config.Default()
	rt, err := runtime.New(svc, runtime.WithConfig(cfg), runtime.WithLogger(quiet()))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println("ready")
	if err := rt.Serve(ctx, listener); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// startChild starts a server process on listener and waits until it serves.
func startChild(t *testing.T, listener *os.File) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), drainChild+"=1")
	cmd.ExtraFiles = []*os.File{listener}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(out, ready); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// Twenty restarts under keep-alive clients: every request is answered, and
// every process ends well by itself.
func TestNoRequestIsLostInRestarts(t *testing.T) {
	const restarts, clients = 20, 4
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String() + "/work"
	if err := listener.Close(); err != nil { // the processes share file
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()

	current := startChild(t, file)
	var answered, lost atomic.Int64
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := work(client, url); err != nil {
					lost.Add(1)
					t.Errorf("lost after %d: %v", answered.Load(), err)
				}
				answered.Add(1)
			}
		})
	}
	for range restarts {
		before := answered.Load()
		eventually(t, "traffic", func() bool { return answered.Load() > before+20 })
		next := startChild(t, file)
		if err := current.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := current.Wait(); err != nil {
			t.Errorf("a drained process ended with %v", err)
		}
		current = next
	}
	close(stop)
	wait.Wait()
	_ = current.Process.Signal(syscall.SIGTERM)
	if err := current.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%d restarts, %d requests, %d lost", restarts, answered.Load(), lost.Load())
}

// work makes one request that Go's client would not repeat by itself: a POST
// whose body cannot be read twice.
func work(client *http.Client, url string) error {
	res, err := client.Post(url, "application/json", struct{ io.Reader }{strings.NewReader(`{"text":"kept"}`)})
	if err != nil {
		return err
	}
	body, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode != 200 || string(body) != "kept" {
		return fmt.Errorf("got %d %q", res.StatusCode, body)
	}
	return nil
}

// While it drains, a server says so: 503 at /readyz on connections that are
// still open, and its last answers ask for them to be closed.
func TestDraining(t *testing.T) {
	g := newGate()
	svc := runtime.NewService("Drained")
	runtime.Handle(svc, "wait", g.wait)
	cfg := config.Default()
	rt, err := runtime.New(svc, runtime.WithConfig(cfg), runtime.WithLogger(quiet()))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, url: "http://" + listener.Addr().String(), http: &http.Client{Transport: &http.Transport{}}}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- rt.Serve(ctx, listener) }()

	idle, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	answers := make(chan answer, 1)
	go func() {
		got, _ := s.try("POST", "/wait", "{}")
		answers <- got
	}()
	<-g.entered
	stop()
	eventually(t, "the listener to close", func() bool {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	if _, err := idle.Write([]byte("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	probe, err := io.ReadAll(idle) // to its end: the server closes
	if got := string(probe); err != nil || !strings.HasPrefix(got, "HTTP/1.1 503") || !strings.Contains(got, "Connection: close") {
		t.Errorf("got %q, %v", got, err)
	}
	close(g.release)
	if got := <-answers; got.status != 200 || got.body != "late" {
		t.Errorf("the running request got %+v", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTakenPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	port := listener.Addr().(*net.TCPAddr).Port
	rt, err := runtime.New(newEcho(), runtime.WithLogger(quiet()), settings(func(c *config.Config) {
		c.HTTP.Host, c.HTTP.Port = "127.0.0.1", port
	}))
	if err != nil {
		t.Fatal(err)
	}
	err = rt.Run(context.Background())
	want := fmt.Sprintf("http.port: 127.0.0.1:%d is taken by another program (Grafana's default is 3000 too); this program reads no configuration: ", port)
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
	if err := rt.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	rt, err = runtime.New(newEcho(), runtime.WithLogger(quiet()), runtime.WithSource(config.Source{
		Environ: []string{"EKIBEN_HTTP__HOST=127.0.0.1", fmt.Sprintf("EKIBEN_HTTP__PORT=%d", port)},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := rt.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "; set another, EKIBEN_HTTP__PORT=3001, or 0 for a free one: ") {
		t.Errorf("got %v", err)
	}
	if err := rt.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// Run serves until its context ends, and returns what is wrong with a service.
func TestRun(t *testing.T) {
	svc := runtime.NewService("Runs")
	runtime.Handle(svc, "echo", func(_ context.Context, in text) (string, error) { return in.Text, nil })
	local := settings(func(c *config.Config) { c.HTTP.Host, c.HTTP.Port = "127.0.0.1", 0 })
	read, write := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- runtime.Run(ctx, svc, local, runtime.WithLogger(slog.New(slog.NewJSONHandler(write, nil))))
		_ = write.Close()
	}()
	log := json.NewDecoder(read)
	var serving struct {
		Msg     string `json:"msg"`
		Address string `json:"address"`
	}
	if err := log.Decode(&serving); err != nil || serving.Msg != "serving" {
		t.Fatal(serving, err)
	}
	go func() { _, _ = io.Copy(io.Discard, io.MultiReader(log.Buffered(), read)) }()
	s := &server{t: t, url: serving.Address, http: &http.Client{Transport: &http.Transport{}}}
	if got, err := s.try("POST", "/echo", `{"text": "a"}`); err != nil || got.body != "a" {
		t.Errorf("got %v, %v", got, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := runtime.Run(t.Context(), runtime.NewService(""), local); err == nil {
		t.Error("a service without a name runs")
	}
}
