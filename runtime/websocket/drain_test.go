package websocket_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/websocket"
)

// When the app drains, every socket is closed with 1001 and every function's context ends;
// nothing is cut if the functions return. New sockets are refused.
func TestDrain(t *testing.T) {
	const sockets = 20
	entered := make(chan struct{}, sockets)
	causes := make(chan error, sockets)
	s := serve(t, func(ctx context.Context, _ *websocket.Conn) error {
		entered <- struct{}{}
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return ctx.Err()
	}, nil)
	var conns []*coder.Conn
	for range sockets {
		conns = append(conns, s.dial(nil))
		<-entered
	}
	s.stop()
	for _, conn := range conns {
		if code, reason := s.code(conn); code != 1001 || reason != "the server is shutting down" {
			t.Errorf("closed with %d %q", code, reason)
		}
		check.Error(t, <-causes, "socket closed with 1001: the server is shutting down")
	}
	check.OK(t, s.end())
	if strings.Contains(s.log.String(), "level=ERROR") || strings.Contains(s.log.String(), "cut=true") {
		t.Error(s.log)
	}
}

// A function that ignores its context, and a client that does not close, are cut after
// shutdown.grace.
func TestDrainCuts(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := serve(t, func(context.Context, *websocket.Conn) error {
		close(entered)
		<-release
		return nil
	}, func(c *config.Config) { c.Shutdown.Grace = 50 * time.Millisecond })
	conn := s.dial(nil)
	<-entered
	check.Error(t, s.end(), "shutdown.grace: sockets and other connections that handlers had taken over, cut off after 50ms: 1")
	check.Contains(t, s.log.String(), "route=/app/ws status=101", "cut=true")
	_, _ = s.code(conn) // 1001, or none if the cut was first
	close(release)
}

// A thousand sockets that are dropped at once leave nothing, and a socket more than
// max_concurrency is refused.
func TestManySockets(t *testing.T) {
	const sockets = 1000
	s := serve(t, echo, func(c *config.Config) { c.Traffic.MaxConcurrency = sockets })
	var all sync.WaitGroup
	conns := make(chan net.Conn, sockets)
	for range 20 {
		all.Go(func() {
			for range sockets / 20 {
				conn, reader := s.raw("")
				_, _ = io.WriteString(conn, frame(0x81, 2, "hi"))
				answer := make([]byte, 4)
				if _, err := io.ReadFull(reader, answer); err != nil || string(answer) != "\x81\x02hi" {
					t.Errorf("got %q, %v", answer, err)
				}
				conns <- conn
			}
		})
	}
	all.Wait()
	check.Equal(t, s.samples("websocket_connections"), "websocket_connections{endpoint=\"/app/ws\"} 1000.0\n")
	_, res, err := coder.Dial(t.Context(), "ws://"+s.addr+"/app/ws", nil)
	if err == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("got %v", err)
	}
	for range sockets {
		_ = (<-conns).Close()
	}
	s.await("websocket_connections{endpoint=\"/app/ws\"} 0.0\n", "websocket_connections")
	s.await("ekiben_websocket_closed_total{code=\"1006\",endpoint=\"/app/ws\"} 1000.0\n", "closed_total")
	s.await("ekiben_traffic_concurrency{} 0.0\n", "traffic_concurrency")
}

// On a server of the program, Drain closes sockets, later ones are refused, and Shutdown
// waits for those that are open.
func TestDrainOnAnotherServer(t *testing.T) {
	app := runtime.New("Other", runtime.WithLogger(slog.New(slog.DiscardHandler)))
	app.Mount("/ws", websocket.Handler(echo))
	server := httptest.NewServer(check.Value(app.Handler())(t))
	defer server.Close()
	conn, _, err := coder.Dial(t.Context(), server.URL+"/ws", nil)
	check.Must(t, err)
	app.Drain()
	if _, _, err := conn.Read(t.Context()); coder.CloseStatus(err) != 1001 {
		t.Error(err)
	}
	_, res, err := coder.Dial(t.Context(), server.URL+"/ws", nil)
	if err == nil || res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "1" {
		t.Errorf("got %v", err)
	}
	check.OK(t, app.Shutdown(t.Context()))
}
