package main

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
)

// startGuard starts a process that ends all others of this run, and removes its folder, when
// this program closes the guard or ends in any way, such as by SIGKILL. Close awaits that.
func startGuard(folder string) (io.Closer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "--guard", folder)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return closer(sync.OnceValue(func() error {
		_ = in.Close()
		return cmd.Wait()
	})), nil
}

// closer is a function as an [io.Closer].
type closer func() error

// Close calls the function.
func (c closer) Close() error { return c() }

// guard is what that process does. Its input ends with the program that has started it.
func guard(folder string, in io.Reader) {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	_, _ = io.Copy(io.Discard, in)
	kill(filepath.Base(folder) + "/")
	_ = os.RemoveAll(folder)
}
