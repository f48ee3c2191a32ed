//go:build unix

package listening

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// child makes the test binary a process that prints what it was given.
const child = "EKIBENTEST_GIVEN"

func TestMain(m *testing.M) {
	if said, over := strings.CutPrefix(os.Getenv(child), "over "); over {
		next(said)
		return
	}
	if said := os.Getenv(child); said != "" {
		if strings.HasPrefix(said, "own") { // as systemd does, which knows the id
			_ = os.Setenv(pid, strconv.Itoa(os.Getpid()))
		}
		fmt.Println(describe())
		return
	}
	m.Run()
}

// describe says what this process was given, and what is left of it.
func describe() string {
	given, err := Inherited("")
	switch {
	case err != nil:
		return err.Error()
	case given == nil:
		return "none" + left()
	}
	again, err := Inherited("")
	leaks, _ := exec.Command("sh", "-c", "ls -l /proc/self/fd").Output()
	return fmt.Sprint(given.Addr().Network(), left(), again == nil && err == nil, strings.Contains(string(leaks), "socket:"))
}

func left() string {
	return os.Getenv(count) + os.Getenv(pid) + os.Getenv(names) + os.Getenv(parent)
}

// A process takes the listener that is meant for it, once, and leaves nothing to its children.
// What is meant for another process is left alone, and a mistake is an error that says what
// would be right.
func TestInherited(t *testing.T) {
	tcp := check.Value(check.Value(net.Listen("tcp", "127.0.0.1:0"))(t).(*net.TCPListener).File())(t)
	t.Chdir(t.TempDir())
	socket := check.Value(check.Value(net.Listen("unix", "s"))(t).(*net.UnixListener).File())(t)
	datagrams := check.Value(check.Value(net.ListenPacket("udp", "127.0.0.1:0"))(t).(*net.UDPConn).File())(t)
	file := check.Value(os.Create("file"))(t)
	me := strconv.Itoa(os.Getpid())
	const wrong = "LISTEN_FDS: descriptor 3 must be a stream socket that listens; a .socket unit of systemd needs ListenStream= and Accept=no"
	for name, test := range map[string]struct {
		given *os.File
		env   []string
		want  string
	}{
		"nothing":              {tcp, nil, "none"},
		"systemd, TCP":         {tcp, []string{child + "=own", "LISTEN_FDS=1", "LISTEN_FDNAMES=http"}, "tcptrue false"},
		"systemd, a socket":    {socket, []string{child + "=own", "LISTEN_FDS=1"}, "unixtrue false"},
		"for another process":  {tcp, []string{"LISTEN_FDS=1", "LISTEN_PID=" + me}, "none"},
		"no process":           {tcp, []string{"LISTEN_FDS=1"}, "none"},
		"handed over":          {tcp, []string{"LISTEN_FDS=1", "LISTEN_PARENT=" + me}, "tcptrue false"},
		"by another process":   {tcp, []string{"LISTEN_FDS=1", "LISTEN_PARENT=1"}, "none"},
		"not an id":            {tcp, []string{"LISTEN_FDS=1", "LISTEN_PID=x"}, `LISTEN_PID: must be the id of the process that gets the sockets, found "x"`},
		"two":                  {tcp, []string{child + "=own", "LISTEN_FDS=2"}, `LISTEN_FDS: must be 1, because the app listens on one socket, found "2"`},
		"not a number":         {tcp, []string{child + "=own", "LISTEN_FDS=one"}, `LISTEN_FDS: must be 1, because the app listens on one socket, found "one"`},
		"datagrams":            {datagrams, []string{child + "=own", "LISTEN_FDS=1"}, wrong},
		"a file":               {file, []string{child + "=own", "LISTEN_FDS=1"}, wrong},
		"a descriptor too few": {nil, []string{child + "=own", "LISTEN_FDS=1"}, wrong},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append([]string{child + "=yes", "PATH=" + os.Getenv("PATH")}, test.env...)
			if test.given != nil {
				cmd.ExtraFiles = []*os.File{test.given}
			}
			out := check.Value(cmd.Output())(t)
			check.Equal(t, strings.TrimSpace(string(out)), test.want)
		})
	}
}
