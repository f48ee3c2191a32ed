// Package listening makes the listener of a server: on a socket file, or from the process that
// started this one. It hands a listener over to the next process.
package listening

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// File listens on a socket file with permissions, 0: those of the umask. The file of a process
// that has ended is replaced; any other file is an error. Close removes the file.
func File(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	if err := vacate(ctx, path); err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("http.socket: cannot listen on %s: %w", path, err)
	}
	if mode != 0 {
		if err := os.Chmod(path, mode); err != nil {
			return nil, errors.Join(fmt.Errorf("http.socket_mode: %w", err), listener.Close())
		}
	}
	return listener, nil
}

// vacate removes a socket file on which nothing listens.
func vacate(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("http.socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("http.socket: %s must be a socket or must not exist, found %s", path, kind(info))
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close()
		return fmt.Errorf("http.socket: another program listens on %s: stop it, or choose another path", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("http.socket: cannot replace %s: %w", path, err)
	}
	return nil
}

// kind names what a file is.
func kind(info fs.FileInfo) string {
	switch {
	case info.IsDir():
		return "a directory"
	case info.Mode().IsRegular():
		return "a file"
	case info.Mode()&fs.ModeSymlink != 0:
		return "a symbolic link"
	}
	return "a device or a pipe"
}

// KeepFile lets Close of a listener leave its socket file in place: another process serves on it.
func KeepFile(listener net.Listener) { unlinks(listener, false) }

// unlinks says whether Close of a listener removes its socket file. TCP has none.
func unlinks(listener net.Listener, remove bool) {
	if given, ok := listener.(*Given); ok {
		listener = given.Listener
	}
	if socket, ok := listener.(*net.UnixListener); ok {
		socket.SetUnlinkOnClose(remove)
	}
}
