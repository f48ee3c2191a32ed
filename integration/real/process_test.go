package real

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	ports     = map[int]bool{}
	portsLock sync.Mutex
)

// freePort returns a port that was free a moment ago, and no port twice: two
// servers on one would look like one that answers.
func freePort(t *testing.T) int {
	t.Helper()
	portsLock.Lock()
	defer portsLock.Unlock()
	for {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := listener.Addr().(*net.TCPAddr).Port
		_ = listener.Close()
		if !ports[port] {
			ports[port] = true
			return port
		}
	}
}

// output keeps what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// process is a command that runs.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// kill ends the process as a power cut would.
func (p process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// start runs a command until the test ends, with everything it starts itself,
// and waits until url answers 200.
func start(t *testing.T, url string, environ []string, command ...string) process {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), environ...)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	return launch(t, url, cmd)
}

// startIn is start in a folder.
func startIn(t *testing.T, dir, url string, command ...string) process {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), command[0], command[1:]...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	return launch(t, url, cmd)
}

// launch is start for a command that is set up already, with SysProcAttr.
func launch(t *testing.T, url string, cmd *exec.Cmd) process {
	t.Helper()
	return launchUntil(t, url, cmd, func() bool {
		res, err := http.Get(url) //nolint:noctx // a poll of loopback
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// launchUntil runs a command until the test ends, and waits until it is ready.
func launchUntil(t *testing.T, where string, cmd *exec.Cmd, ready func() bool) process {
	t.Helper()
	cmd.SysProcAttr.Setpgid = true
	cmd.WaitDelay = time.Second // what it started may hold its output
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // BentoML ends its workers then, and not if it is killed
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
		if t.Failed() {
			out.mu.Lock()
			defer out.mu.Unlock()
			t.Logf("%s wrote:\n%s", cmd.Path, tail(out.text.String()))
		}
	})
	for range 600 {
		select {
		case <-ended:
			t.Fatalf("%s ended:\n%s", cmd.Path, tail(out.text.String()))
		default:
		}
		if ready() {
			return process{cmd, ended}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s does not answer at %s:\n%s", cmd.Path, where, tail(out.text.String()))
	return process{}
}

func tail(text string) string {
	const most = 4000
	if len(text) > most {
		return "…" + text[len(text)-most:]
	}
	return text
}

func local(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }
