package runtime_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// shortFolder makes a folder whose path is short enough for a socket.
func shortFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "ekiben")
	check.Must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// onSocket lets a client connect to a socket file.
func (s *server) onSocket(path string) *server {
	s.url = "http://socket"
	s.http.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return s
}

// With http.socket, the app listens on a file that it removes at the end.
func TestSocket(t *testing.T) {
	path := filepath.Join(shortFolder(t), "s")
	log, logger := newAwaited(t)
	app := newEcho(settings(func(c *config.Config) { c.HTTP.Socket.Path = path }), logger)
	s := run(t, app, log).onSocket(path)
	s.post("/echo", `{"text":"a"}`).want(t, 200, "A")
	check.Equal(t, app.Addr(), net.Addr(&net.UnixAddr{Name: path, Net: "unix"}))
	check.Equal(t, check.Value(os.Stat(path))(t).Mode().Perm(), 0o660)
	log.await(" client=@ ")
	check.Contains(t, log.String(), "address=unix:"+path+" ")
	check.Contains(t, runtime.Announcement(app, "unix:"+path), "  address  unix:"+path+"\n")
	s.http.CloseIdleConnections()
	check.OK(t, s.end())
	if _, err := os.Stat(path); err == nil {
		t.Error("the file was not removed")
	}
	other := newEcho(settings(func(c *config.Config) { c.HTTP.Socket.Path = filepath.Dir(path) }))
	if err := other.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "http.socket: "+filepath.Dir(path)+" must be a socket or must not exist, found a directory") {
		t.Errorf("got %v", err)
	}
}

// An app that does not listen, or that drains, has nothing to hand over.
func TestNoHandOver(t *testing.T) {
	const want = "App.HandOver: the app must listen, and must not be draining"
	app := newEcho()
	check.Error(t, app.HandOver(t.Context()), want)
	s := serve(t, app)
	s.do("GET", "/livez", "").want(t, 200, "\n")
	left, leave := context.WithCancel(t.Context())
	leave()
	check.Error(t, app.HandOver(left), "App.HandOver: the context has ended: context canceled")
	app.Drain()
	check.Error(t, app.HandOver(t.Context()), want)
	check.OK(t, s.end())
	check.Error(t, app.HandOver(nil), "App.HandOver: the context must not be nil")
}
