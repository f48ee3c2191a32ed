package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
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

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// drainChild in the environment makes the test binary a server on the listener
// that it inherits.
const drainChild = "EKIBEN_TEST_DRAIN_CHILD"

func runDrainChild() int {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err == nil {
		app := runtime.New("Drained", runtime.WithConfig(config.Default()), runtime.WithLogger(quiet()))
		runtime.Handle(app, "work", func(_ context.Context, in text) (string, error) {
			time.Sleep(2 * time.Millisecond)
			return in.Text, nil
		})
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		fmt.Println("ready")
		err = app.Serve(ctx, listener)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// startChild starts a server process on listener and waits until it serves.
func startChild(t *testing.T, listener *os.File) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), drainChild+"=1")
	cmd.ExtraFiles = []*os.File{listener}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check.Must(t, errors.Join(err, cmd.Start()))
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// In twenty restarts with keep-alive clients, every request gets its response, and
// every process exits by itself.
func TestRestarts(t *testing.T) {
	const restarts, clients, between = 20, 4, 20
	listener := listen(t)
	file := check.Value(listener.File())(t)
	defer func() { _ = file.Close() }()
	url := "http://" + listener.Addr().String() + "/work"
	_ = listener.Close() // the processes share file
	current := startChild(t, file)
	end := func() {
		if err := errors.Join(current.Process.Signal(syscall.SIGTERM), current.Wait()); err != nil {
			t.Errorf("a drained process ended with %v", err)
		}
	}
	ended, responses := make(chan struct{}), make(chan struct{})
	var lost atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for {
				if err := work(client, url); err != nil {
					lost.Add(1)
					t.Errorf("lost: %v", err)
				}
				select {
				case responses <- struct{}{}:
				case <-ended:
					return
				default:
				}
			}
		})
	}
	for range restarts {
		for range between {
			<-responses
		}
		next := startChild(t, file)
		end()
		current = next
	}
	close(ended)
	all.Wait()
	end()
	t.Logf("%d restarts, %d requests lost", restarts, lost.Load())
}

// work makes a request that Go's client does not retry: a POST whose body cannot be
// read twice.
func work(client *http.Client, url string) error {
	res, err := client.Post(url, "application/json", struct{ io.Reader }{strings.NewReader(`{"text":"kept"}`)})
	if err != nil {
		return err
	}
	body, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || string(body) != "kept" {
		return fmt.Errorf("got %d %q", res.StatusCode, body)
	}
	return nil
}
