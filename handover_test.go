//go:build unix

package ekiben

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
)

// behavior is a file in the folder of the program that says how the next process fails.
const behavior = "behavior"

// unloaded is a file that a process writes in OnStop.
const unloaded = "unloaded"

// childLimit is the time that a new process has, as a variable for the program.
const childLimit = "EKIBENTEST_LIMIT"

// behave declares the API of these tests, and fails as the file says.
func behave(app *runtime.App) error {
	runtime.Handle(app, "echo", func(_ context.Context, in struct {
		Text string `json:"text"`
	}) (string, error) {
		time.Sleep(time.Millisecond)
		return in.Text, nil
	})
	if limit, err := time.ParseDuration(os.Getenv(childLimit)); err == nil {
		handOverLimit = limit
	}
	said, _ := os.ReadFile(behavior)
	switch string(said) {
	case "fail":
		return errors.New("no model")
	case "start":
		model := app.AddService("Model")
		runtime.Handle(model, "m", func(context.Context, struct{}) (string, error) { return "", nil })
		model.OnStop(func(context.Context) error { return os.WriteFile(unloaded, nil, 0o600) })
		app.OnStart(func(context.Context) error { return errors.New("no gpu") })
	case "hang":
		app.OnStart(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
	}
	return nil
}

// In twenty hand-overs under load, with connections that are kept and with new ones, every
// request gets its response, and every process ends by itself.
func TestHandOver(t *testing.T) {
	const times, between = 20, 20
	cmd, log, logged := started(t, nil, []string{"--set", "logging.access.enabled=false", "--set", "shutdown.delay=60"})
	url, _ := logged("serving")["address"].(string)
	ended, responses := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	var lost atomic.Int64
	for i := range 4 {
		transport := &http.Transport{DisableKeepAlives: i%2 == 1}
		all.Go(func() {
			defer transport.CloseIdleConnections()
			for client := (&http.Client{Transport: transport}); ; {
				if err := echo(client, url); err != nil {
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
	current := cmd.Process.Pid
	for range times {
		for range between {
			<-responses
		}
		check.Must(t, syscall.Kill(current, syscall.SIGUSR2))
		current = process(t, logged("handed over"))
	}
	for range between {
		<-responses
	}
	close(ended)
	all.Wait()
	endsWell(t, cmd)
	check.Must(t, syscall.Kill(current, syscall.SIGKILL))
	endOfAll(log)
	t.Logf("%d hand-overs, %d requests lost", times, lost.Load())
}

// The admin door stays with the old process until that ends. Then the new one opens its own.
func TestHandOverAdmin(t *testing.T) {
	probe := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	port := probe.Addr().(*net.TCPAddr).Port
	check.Must(t, probe.Close())
	cmd, log, logged := started(t, nil, []string{"--set", "admin.enabled=true", "--set", fmt.Sprintf("admin.port=%d", port), "--set", "shutdown.idle=0"})
	logged("serving")
	check.Must(t, cmd.Process.Signal(syscall.SIGUSR2))
	next := process(t, logged("handed over"))
	logged("the admin door is open")
	endsWell(t, cmd)
	response := check.Value(http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", port)))(t)
	check.Must(t, response.Body.Close())
	check.Equal(t, response.StatusCode, http.StatusOK)
	check.Must(t, syscall.Kill(next, syscall.SIGTERM))
	endOfAll(log)
}

// If the port of the admin door is taken and the old process has ended, the new one logs that
// once, and opens the door when the port is free.
func TestHandOverAdminTaken(t *testing.T) {
	const why = "the admin door is not open: another program uses its port; it opens when the port is free"
	taken := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	file := filepath.Join(t.TempDir(), "app.yaml")
	configure := func(port int) {
		check.Must(t, os.WriteFile(file, fmt.Appendf(nil, "admin: {enabled: true, port: %d}\n", port), 0o600))
	}
	configure(0)
	cmd, log, _ := started(t, nil, []string{"--config", file, "--set", "shutdown.idle=0"})
	lines, said := json.NewDecoder(log), 0
	logged := func(message string) (line map[string]any) {
		for line["msg"] != message {
			line = nil
			check.Must(t, lines.Decode(&line))
			if line["msg"] == why {
				said++
			}
		}
		return line
	}
	logged("serving")
	configure(taken.Addr().(*net.TCPAddr).Port)
	check.Must(t, cmd.Process.Signal(syscall.SIGUSR2))
	next := process(t, logged("handed over"))
	endsWell(t, cmd)
	line := logged(why)
	check.Equal(t, line["level"], any("WARN"))
	check.Contains(t, fmt.Sprint(line["error"]), "admin.port: "+taken.Addr().String()+" is taken by another program", "address already in use")
	time.Sleep(500 * time.Millisecond) // for some more attempts
	check.Must(t, taken.Close())
	check.Equal(t, logged("the admin door is open")["address"], any(taken.Addr().String()))
	check.Equal(t, said, 1)
	check.Must(t, syscall.Kill(next, syscall.SIGTERM))
	endOfAll(log)
}

// endsWell waits for a program, whose log goes on: cmd.Wait would close it.
func endsWell(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	ended := check.Value(cmd.Process.Wait())(t)
	check.Equal(t, ended.ExitCode(), 0)
}

// endOfAll waits until every process with the log has ended.
func endOfAll(log io.Reader) { _, _ = io.Copy(io.Discard, log) }

// process returns the id of the process that a log line names.
func process(t *testing.T, line map[string]any) int {
	t.Helper()
	pid, _ := line["process"].(float64)
	if pid < 2 { // others have a meaning of their own as receivers of a signal
		t.Fatalf("no process: %v", line)
	}
	return int(pid)
}

// echo makes a request that Go's client does not retry: a POST whose body cannot be read twice.
func echo(client *http.Client, url string) error {
	res, err := client.Post(url+"/echo", "application/json", struct{ io.Reader }{strings.NewReader(`{"text":"kept"}`)})
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

// If the new process fails, it ends by itself: it says why and stops its services. If it fails or
// does not serve in time, the old one says why and goes on, with its socket file.
func TestFailedHandOver(t *testing.T) {
	folder, err := os.MkdirTemp("", "ekiben") // a path of t.TempDir may be too long for a socket
	check.Must(t, err)
	defer os.RemoveAll(folder)
	socket := filepath.Join(folder, "s")
	t.Setenv(childLimit, "10s") // a program that fails needs a part of it, on a slow machine
	cmd, log, logged := started(t, nil, []string{"--set", "http.socket=" + socket, "--set", "shutdown.idle=0"})
	check.Equal(t, logged("serving")["address"], any("unix:"+socket))
	says := func(how string) {
		t.Helper()
		check.Must(t, os.WriteFile(filepath.Join(cmd.Dir, behavior), []byte(how), 0o600))
	}
	failed := func(want string) {
		t.Helper()
		check.Must(t, cmd.Process.Signal(syscall.SIGUSR2))
		if got, _ := logged("not handed over")["error"].(string); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		client := over(socket)
		check.OK(t, echo(client, "http://socket"))
		client.CloseIdleConnections()
	}
	says("fail")
	failed("did not serve: exit status 1")
	says("start")
	failed(`did not serve: exit status 1: service "Shouter": OnStart: no gpu`)
	_, err = os.Stat(filepath.Join(cmd.Dir, unloaded))
	check.OK(t, err)
	says("hang")
	failed("did not serve in time: context deadline exceeded")
	check.Must(t, cmd.Process.Signal(syscall.SIGTERM))
	endsWell(t, cmd)
	endOfAll(log)
	gone(t, socket)
}

// over returns a client that connects to a socket file.
func over(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
}

// gone fails if a socket file is still there.
func gone(t *testing.T, socket string) {
	t.Helper()
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket file was not removed")
	}
}

// A socket file stays when a process hands it over, and goes with the last one.
func TestHandedOverFile(t *testing.T) {
	folder, err := os.MkdirTemp("", "ekiben") // a path of t.TempDir may be too long for a socket
	check.Must(t, err)
	defer os.RemoveAll(folder)
	socket := filepath.Join(folder, "s")
	cmd, log, logged := started(t, nil, []string{"--set", "http.socket=" + socket, "--set", "shutdown.idle=0"})
	logged("serving")
	check.Must(t, cmd.Process.Signal(syscall.SIGUSR2))
	next := process(t, logged("handed over"))
	endsWell(t, cmd)
	_, err = os.Stat(socket)
	check.OK(t, err)
	check.Must(t, syscall.Kill(next, syscall.SIGTERM))
	endOfAll(log)
	gone(t, socket)
}

// activating starts a program as systemd does for a socket of a .socket unit.
var activating = []string{"sh", "-c", `export LISTEN_FDS=1 LISTEN_PID=$$ && exec "$@"`, "sh"}

// A program serves on the socket that systemd gives it, hands that over, and leaves its file in
// place.
func TestActivated(t *testing.T) {
	folder, err := os.MkdirTemp("", "ekiben")
	check.Must(t, err)
	defer os.RemoveAll(folder)
	socket := filepath.Join(folder, "s")
	listener := check.Value(net.ListenUnix("unix", &net.UnixAddr{Name: socket}))(t)
	file := check.Value(listener.File())(t)
	listener.SetUnlinkOnClose(false)
	check.Must(t, listener.Close())
	cmd, log, logged := started(t, activating, []string{"--set", "shutdown.idle=0"}, file)
	check.OK(t, file.Close())
	check.Equal(t, logged("serving")["address"], any("unix:"+socket))
	client := over(socket)
	defer client.CloseIdleConnections()
	check.OK(t, echo(client, "http://socket"))
	client.CloseIdleConnections()
	check.Must(t, cmd.Process.Signal(syscall.SIGUSR2))
	next := process(t, logged("handed over"))
	endsWell(t, cmd)
	check.OK(t, echo(client, "http://socket"))
	client.CloseIdleConnections()
	check.Must(t, syscall.Kill(next, syscall.SIGTERM))
	endOfAll(log)
	_, err = os.Stat(socket)
	check.OK(t, err)
}

// A wrong variable of systemd ends the program with an error that names it.
func TestWronglyActivated(t *testing.T) {
	cmd, log, _ := started(t, activating, nil)
	printed := string(check.Value(io.ReadAll(log))(t))
	_ = cmd.Wait()
	check.Equal(t, cmd.ProcessState.ExitCode(), ExitFailed)
	check.Contains(t, printed, "LISTEN_FDS: descriptor 3 must be a stream socket that listens")
}
