package real

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

var (
	ports     = map[int]bool{}
	portsLock sync.Mutex
)

// freePort returns a port that was free a moment ago. It returns no port twice.
func freePort(t *testing.T) int {
	t.Helper()
	portsLock.Lock()
	defer portsLock.Unlock()
	for {
		listener := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
		port := listener.Addr().(*net.TCPAddr).Port
		_ = listener.Close()
		if !ports[port] {
			ports[port] = true
			return port
		}
	}
}

func local(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }

// command returns a command that runs a part. The test may change it before it
// starts it.
func command(t *testing.T, part string, args ...string) *exec.Cmd {
	t.Helper()
	return program(need(t, part), args...)
}

// program returns a command that runs a file. It has the variables of this
// process.
func program(path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), path, args...)
	cmd.Env = os.Environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	return cmd
}

// tool runs a part until it ends, and returns what it wrote.
func tool(t *testing.T, part string, args ...string) (string, error) {
	t.Helper()
	out, err := command(t, part, args...).CombinedOutput()
	return string(out), err
}

// output keeps the output of a process.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns the end of the output.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	const most = 4000
	text := o.text.String()
	if len(text) > most {
		return "…" + text[len(text)-most:]
	}
	return text
}

// process is a command that runs.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// kill ends the process and its children at once.
func (p process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// end sends a signal to end the process, and kills it if it does not end. BentoML ends
// its workers after the signal, but not when it is killed.
func (p process) end() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		p.kill()
	}
}

// start starts a command and returns when url responds with 200. The process
// and its children end with the test.
func start(t *testing.T, url string, cmd *exec.Cmd) process {
	t.Helper()
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr.Setpgid = true
	cmd.WaitDelay = time.Second // a child may hold the output open
	check.Must(t, cmd.Start())
	p := process{cmd, make(chan struct{})}
	go func() { _ = cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("%s wrote:\n%s", cmd.Path, out)
		}
	})
	err := errors.New("no request was sent")
	waitFor(func() bool {
		select {
		case <-p.ended:
			return true
		default:
			_, err = fetch(url)
			return err == nil
		}
	})
	if err != nil {
		t.Fatalf("%s is not ready at %s: %v\n%s", cmd.Path, url, err, out)
	}
	return p
}

// startTwin starts a twin on a port. An argument without -- is a configuration
// key and its value.
func startTwin(t *testing.T, port int, args ...string) process {
	t.Helper()
	args = append([]string{"logging.access.enabled=false"}, args...)
	return start(t, local(port)+"/readyz", command(t, "twin", append([]string{"--port", strconv.Itoa(port)}, sets(args)...)...))
}

// sets puts --set before each argument that is not a flag.
func sets(args []string) (flags []string) {
	for _, arg := range args {
		if !strings.HasPrefix(arg, "--") {
			flags = append(flags, "--set")
		}
		flags = append(flags, arg)
	}
	return flags
}

// startBentoML starts a real BentoML on a port, with the service that the twin
// copies. It adds environ to its variables.
func startBentoML(t *testing.T, port int, environ ...string) {
	t.Helper()
	startBentoMLIn(t, "testdata", port, environ, "serve", "service:Summarization")
}

// startBentoMLIn starts a real BentoML in a folder, with a command of bentoml.
func startBentoMLIn(t *testing.T, dir string, port int, environ []string, args ...string) {
	t.Helper()
	dir = check.Value(filepath.Abs(dir))(t)
	cmd := command(t, "bentoml", append(args, "--working-dir", dir, "-p", strconv.Itoa(port), "--host", "127.0.0.1")...)
	cmd.Env = append(cmd.Env, append(environ, "BENTOML_DO_NOT_TRACK=True", "BENTOML_HOME="+t.TempDir())...)
	start(t, local(port)+"/readyz", cmd)
}

// pair starts one real BentoML and one twin of its service, and returns their
// addresses.
func pair(t *testing.T, environ []string, sets ...string) (bentoml, twin string) {
	t.Helper()
	ports := [2]int{freePort(t), freePort(t)}
	startBentoML(t, ports[0], environ...)
	startTwin(t, ports[1], append(sets, "traffic.timeout=5")...)
	return local(ports[0]), local(ports[1])
}
