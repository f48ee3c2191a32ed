package listening

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// inFolder changes to an empty folder: the path of one may be too long for a socket.
func inFolder(t *testing.T) { t.Chdir(t.TempDir()) }

// A socket file has its permissions, and is gone after Close. A stale one is replaced.
func TestFile(t *testing.T) {
	inFolder(t)
	for _, mode := range []os.FileMode{0o660, 0o600} {
		left := check.Value(net.Listen("unix", "s"))(t) // as a process that was killed leaves it
		KeepFile(left)
		check.Must(t, left.Close())
		listener := check.Value(File(t.Context(), "s", mode))(t)
		check.Equal(t, check.Value(os.Stat("s"))(t).Mode().Perm(), mode)
		conn := check.Value(net.Dial("unix", "s"))(t)
		check.OK(t, conn.Close(), listener.Close())
		if _, err := os.Stat("s"); err == nil {
			t.Error("the file was not removed")
		}
	}
	listener := check.Value(File(t.Context(), "s", 0))(t)
	check.OK(t, listener.Close())
}

// What is not a stale socket stays as it is, and the error names it.
func TestFileRefused(t *testing.T) {
	inFolder(t)
	check.Must(t, os.WriteFile("file", []byte("kept"), 0o600), os.Mkdir("folder", 0o700), os.Symlink("file", "link"))
	live := check.Value(net.Listen("unix", "live"))(t)
	defer live.Close()
	datagrams := check.Value(net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "datagrams"}))(t)
	defer datagrams.Close()
	for path, want := range map[string]string{
		"file":      "http.socket: file must be a socket or must not exist, found a file",
		"folder":    "http.socket: folder must be a socket or must not exist, found a directory",
		"link":      "http.socket: link must be a socket or must not exist, found a symbolic link",
		"live":      "http.socket: another program listens on live: stop it, or choose another path",
		"datagrams": "http.socket: cannot replace datagrams: dial unix datagrams: connect: protocol wrong type for socket",
		"none/s":    "http.socket: cannot listen on none/s: listen unix none/s: bind: no such file or directory",
	} {
		_, err := File(t.Context(), path, 0o600)
		check.Error(t, err, want)
	}
	check.Equal(t, string(check.Value(os.ReadFile(filepath.Join(".", "file")))(t)), "kept")
	for _, path := range []string{"folder", "link", "live", "datagrams"} {
		_, err := os.Lstat(path)
		check.OK(t, err)
	}
}
