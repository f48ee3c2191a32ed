package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// side is a server that is compared.
type side struct {
	name    string
	program []string // {port} is replaced
	env     []string
	starts  []time.Duration
	memory  []memory
	cells   map[cell][]result
}

// server is a process of a side, with its children.
type server struct {
	address string
	first   time.Duration // from the start of the process to the first response
	mark    string        // in the environment of its processes
	pid     int
	ended   chan struct{}
	log     *os.File
}

const (
	startLimit = 2 * time.Minute
	stopLimit  = 10 * time.Second
)

// start starts a server and awaits its first response.
func (s *side) start(ctx context.Context, w *workshop) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := command(s.program, port)
	cmd.Env = append(os.Environ(), fmt.Sprintf("EKIBEN_HTTP__PORT=%d", port))
	began := time.Now()
	one, err := launch(cmd, w.mark(), w.services(), s.env)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	one.address = fmt.Sprintf("127.0.0.1:%d", port)
	if err := one.await(ctx); err != nil {
		one.stop()
		return nil, fmt.Errorf("%s: %w; the end of its log: %s", s.name, err, one.logEnd())
	}
	one.first = time.Since(began)
	return one, nil
}

// launch starts a process that stop ends, with all its children.
func launch(cmd *exec.Cmd, mark, folder string, env []string) (*server, error) {
	log, err := os.CreateTemp(folder, "log-")
	if err != nil {
		return nil, err
	}
	one := &server{mark: mark + filepath.Base(log.Name()) + "/", ended: make(chan struct{}), log: log}
	cmd.Env = append(append(cmd.Environ(), env...), markName+one.mark)
	cmd.Dir, cmd.Stderr = folder, log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C does not reach it
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	one.pid = cmd.Process.Pid
	go func() { _ = cmd.Wait(); close(one.ended) }()
	return one, nil
}

// await sends a request again and again until there is a response.
func (s *server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("must respond within %s", startLimit))
	defer cancel()
	request := httpRequest([]string{"a text"})
	c := &client{address: s.address}
	defer c.close()
	for {
		err := c.post(ctx, request, 1)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-s.ended:
			return errors.New("ended before its first response")
		case <-ctx.Done():
			return fmt.Errorf("%w, found %w", context.Cause(ctx), err)
		}
	}
}

// stop ends all processes of the server, at last by a signal that they cannot ignore.
func (s *server) stop() {
	_ = syscall.Kill(s.pid, syscall.SIGTERM) // if BentoML is killed, its workers continue
	select {
	case <-s.ended:
	case <-time.After(stopLimit):
		_ = syscall.Kill(-s.pid, syscall.SIGKILL)
	}
	kill(s.mark)
	<-s.ended
	_ = s.log.Close()
}

// logEnd returns the last lines of the server's log.
func (s *server) logEnd() string {
	content, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(content[max(0, len(content)-2000):])
}

func command(program []string, port int) *exec.Cmd {
	args := make([]string, len(program))
	for i, arg := range program {
		if args[i] = arg; arg == "{port}" {
			args[i] = fmt.Sprint(port)
		}
	}
	return exec.Command(args[0], args[1:]...)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close() //nolint:errcheck // only its port is needed
	return l.Addr().(*net.TCPAddr).Port, nil
}
