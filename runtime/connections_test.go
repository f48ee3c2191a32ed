package runtime

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The sweep closes a connection whose headers never end, leaves one alone whose
// request is being handled, and gives idle ones longer.
func TestSweep(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open := newConnections(listener)
	release := make(chan struct{})
	entered := make(chan struct{})
	server := &http.Server{
		ConnState: open.state, ConnContext: open.context,
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			connOf(r.Context()).handled()
			if r.URL.Path == "/wait" {
				entered <- struct{}{}
				<-release
			}
		}),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(open) }()

	send := func(text string) net.Conn {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	silent, slow := send(""), send("GET / HTTP/1.1\r\nHost: x\r\nX: ")
	busy := send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	kept := send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	buffer := make([]byte, 1024)
	if n, err := kept.Read(buffer); err != nil || !strings.HasPrefix(string(buffer[:n]), "HTTP/1.1 200") {
		t.Fatal(string(buffer[:n]), err)
	}
	waitFor(t, func() bool { return open.open.Load() == 4 && open.idle() == 1 })

	open.closeLate(int64(headerTimeout/sweepEvery) + 1)
	for name, conn := range map[string]net.Conn{"silent": silent, "slow": slow} {
		if _, err := conn.Read(buffer); err == nil {
			t.Errorf("the %s connection is still open", name)
		}
	}
	waitFor(t, func() bool { return open.open.Load() == 2 })
	open.closeLate(int64(idleTimeout/sweepEvery) + 1)
	if _, err := kept.Read(buffer); err == nil {
		t.Error("the idle connection is still open")
	}
	close(release)
	if n, err := busy.Read(buffer); err != nil || !strings.HasPrefix(string(buffer[:n]), "HTTP/1.1 200") {
		t.Errorf("the busy connection got %q, %v", buffer[:n], err)
	}
	for _, conn := range []net.Conn{silent, slow, busy, kept} {
		_ = conn.Close()
	}
	if err := server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	<-served
}

func (c *connections) idle() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for one := range c.all {
		if one.phase.Load() == idle {
			n++
		}
	}
	return n
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("waited in vain")
}
