//go:build unix

package lines

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Stderr returns standard error under another descriptor. A write to descriptor 2 whose
// reader is gone ends a Go program with SIGPIPE; a write to another one returns an error.
// The descriptor is closed when nothing refers to it any more.
func Stderr() io.Writer {
	raw, err := os.Stderr.SyscallConn()
	if err != nil {
		return os.Stderr
	}
	copied := -1
	if err := raw.Control(func(fd uintptr) {
		copied, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3)
	}); err != nil || copied < 0 {
		return os.Stderr
	}
	return os.NewFile(uintptr(copied), os.Stderr.Name())
}
