package listening

import (
	"net"
	"os"
	"strings"
	"sync"
)

// The variables by which a process says which sockets it hands over. The first three are those
// of systemd (sd_listen_fds). LISTEN_PARENT is ours, in place of LISTEN_PID: a Go program cannot
// write the id of a new process into its environment. It is the id of the process that hands
// over, which then waits for a byte on the descriptor behind the sockets.
const (
	count  = "LISTEN_FDS"
	pid    = "LISTEN_PID"
	names  = "LISTEN_FDNAMES"
	parent = "LISTEN_PARENT"
)

// variables are all of them.
var variables = []string{count, pid, names, parent}

// serves is what a process that serves writes to the descriptor behind the sockets. Another one
// writes why it does not serve, at most longest bytes: POSIX never splits such a write.
const (
	serves  = "\n"
	longest = 512
)

// Given is a listener that another process handed over.
type Given struct {
	net.Listener

	from  int      // the process that handed it over and waits; 0: it does not wait
	ready *os.File // where it waits; nil: it does not
	file  bool     // this process removes the socket file, after Ready

	mu     sync.Mutex
	closed bool
}

// Succeeds reports whether a listener was handed over by a process that serves until Ready.
func Succeeds(listener net.Listener) bool {
	given, ok := listener.(*Given)
	return ok && given.ready != nil
}

// GiverEnded reports whether the process that handed a listener over has ended: it is not the
// parent of this one any more.
func GiverEnded(listener net.Listener) bool {
	given, ok := listener.(*Given)
	return ok && given.from != os.Getppid()
}

// Ready tells the process that handed the listener over that this one serves. After Close it does
// nothing.
func (g *Given) Ready() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ready == nil || g.closed {
		return
	}
	unlinks(g, g.file)
	_, _ = g.ready.WriteString(serves) // if nobody reads it, that process is gone
	_ = g.ready.Close()
}

// Fail tells the process that handed the listener over why this one ends. After Ready it does
// nothing. The other process waits until this one has ended: call Fail after all else.
func (g *Given) Fail(err error) {
	if g.ready == nil {
		return
	}
	if err != nil {
		reason := strings.TrimSpace(err.Error())
		_, _ = g.ready.WriteString(strings.ToValidUTF8(reason[:min(len(reason), longest)], ""))
	}
	_ = g.ready.Close() // a second time does nothing
}

// Close closes the listener. Before Ready, the socket file stays: the other process serves on it.
func (g *Given) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	return g.Listener.Close()
}
