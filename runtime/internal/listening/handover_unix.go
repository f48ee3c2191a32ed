//go:build unix

package listening

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// HandOver starts the program of this process again, with its arguments, environment, folder and
// standard streams, and with a listener. It returns the id of the new process when that calls
// [Given.Ready]. A process that fails ends by itself, and the error has what it told [Given.Fail].
// At the end of ctx it is killed. After an error the new process is gone.
func HandOver(ctx context.Context, listener net.Listener) (int, error) {
	ready, told, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer ready.Close() //nolint:errcheck // nothing is written to it
	process, err := again(listener, told)
	_ = told.Close()
	if err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Unix(1, 0)) })()
	pid := process.Pid // Release changes it
	said := make([]byte, longest)
	n, _ := ready.Read(said)
	reason := string(said[:n])
	if reason == serves {
		return pid, process.Release()
	}
	defer context.AfterFunc(ctx, func() { _ = process.Kill() })()
	ended, err := process.Wait()
	if reason != "" {
		reason = ": " + reason
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("waiting for process %d: %w%s", pid, err, reason)
	case ctx.Err() != nil:
		return 0, fmt.Errorf("process %d did not serve in time: %w%s", pid, context.Cause(ctx), reason)
	}
	return 0, fmt.Errorf("process %d did not serve: %s%s", pid, ended, reason)
}

// again starts the program of this process. It does not use package exec, which makes the
// descriptors of files blocking: this process shares that state with the new one, and could not
// end a call of Accept any more.
func again(listener net.Listener, told *os.File) (*os.Process, error) {
	if given, ok := listener.(*Given); ok {
		listener = given.Listener
	}
	socket, ok := listener.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("the listener must have a descriptor, found %T", listener)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	program, err := exec.LookPath(os.Args[0]) // it may have been replaced: this is how a new version starts
	if err != nil {
		return nil, err
	}
	env := append(withoutSockets(os.Environ()), count+"=1", parent+"="+strconv.Itoa(os.Getpid()))
	started := 0
	failed := raw.Control(func(fd uintptr) {
		started, _, err = syscall.StartProcess(program, os.Args, &syscall.ProcAttr{Env: env, Files: []uintptr{0, 1, 2, fd, told.Fd()}})
	})
	if err := errors.Join(failed, err); err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	return os.FindProcess(started)
}

// withoutSockets removes the variables that say which sockets this process was given: of two
// entries, the new process would read the older one.
func withoutSockets(env []string) []string {
	return slices.DeleteFunc(env, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(variables, name)
	})
}
