//go:build unix

package listening

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// first is the descriptor of the first socket that is handed over.
const first = 3

// Inherited returns the listener that another process handed over to this one, or nil. It
// removes the variables that say so: neither a second call nor a child process finds them.
// socket is the file that the configuration names: if the listener has it, Close removes it after
// [Given.Ready].
func Inherited(socket string) (*Given, error) {
	sockets, meant, from := os.Getenv(count), os.Getenv(pid), os.Getenv(parent)
	for _, name := range variables {
		_ = os.Unsetenv(name)
	}
	handedOver := from != "" && from == strconv.Itoa(os.Getppid())
	switch _, err := strconv.ParseUint(meant, 10, 31); {
	case sockets == "" || !handedOver && meant == "":
		return nil, nil //nolint:nilnil // none
	case !handedOver && err != nil:
		return nil, fmt.Errorf("%s: must be the id of the process that gets the sockets, found %q", pid, meant)
	case !handedOver && meant != strconv.Itoa(os.Getpid()): // they are for a process that started this one
		return nil, nil //nolint:nilnil // none
	case sockets != "1":
		return nil, fmt.Errorf("%s: must be 1, because the app listens on one socket, found %q", count, sockets)
	}
	given := &Given{}
	if handedOver {
		unix.CloseOnExec(first + 1)
		given.ready = os.NewFile(first+1, parent)
		given.from = os.Getppid()
	}
	var err error
	if given.Listener, err = listenerOf(first); err != nil {
		given.Fail(err)
		return nil, err
	}
	unlinks(given, false)
	given.file = handedOver && socket != "" && given.Addr().String() == socket
	return given, nil
}

// listenerOf makes a listener of a descriptor, and closes the descriptor.
func listenerOf(fd int) (net.Listener, error) {
	if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens == 0 {
		return nil, fmt.Errorf("%s: descriptor %d must be a stream socket that listens; a .socket unit of systemd needs ListenStream= and Accept=no", count, fd)
	}
	unix.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), count)
	defer file.Close() //nolint:errcheck // the listener has a copy
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("%s: descriptor %d: %w", count, fd, err)
	}
	return listener, nil
}
