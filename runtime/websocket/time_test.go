package websocket_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/websocket"
)

// one is a listener with one connection in memory.
type one struct {
	conn chan net.Conn
}

func (o *one) Accept() (net.Conn, error) {
	conn, ok := <-o.conn
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (o *one) Close() error   { return nil }
func (o *one) Addr() net.Addr { return &net.TCPAddr{} }

// bubble opens a socket in memory, in a bubble. client gets the connection after the
// handshake. The results are how long the function and the close handshake took, and what the
// function returned.
func bubble(t *testing.T, fn func(context.Context, *websocket.Conn) error, client func(net.Conn, *bufio.Reader), opts ...websocket.Option) (took time.Duration, result error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		listener, done := &one{make(chan net.Conn, 1)}, make(chan struct{})
		listener.conn <- theirs
		began := time.Now()
		h := websocket.Handler(func(ctx context.Context, conn *websocket.Conn) error {
			result = fn(ctx, conn)
			return result
		}, opts...)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(done)
			h.ServeHTTP(w, r)
		})}
		go func() { _ = server.Serve(listener) }()
		_, _ = io.WriteString(ours, handshake+"\r\n")
		reader := bufio.NewReader(ours)
		check.Equal(t, check.Value(http.ReadResponse(reader, nil))(t).StatusCode, 101)
		var running sync.WaitGroup
		running.Go(func() { client(ours, reader) })
		<-done
		took = time.Since(began)
		_ = ours.Close()
		close(listener.conn)
		running.Wait()
	})
	return took, result
}

// pongs responds to pings, for as long as the server sends nothing else.
func pongs(conn net.Conn, reader *bufio.Reader) {
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(reader, head); err != nil || head[0] != 0x89 {
			_, _ = io.Copy(io.Discard, reader)
			return
		}
		payload := make([]byte, head[1])
		_, _ = io.ReadFull(reader, payload)
		_, _ = io.WriteString(conn, frame(0x8a, len(payload), string(payload)))
	}
}

func silent(_ net.Conn, reader *bufio.Reader) { _, _ = io.Copy(io.Discard, reader) }

func read(_ context.Context, conn *websocket.Conn) error {
	_, err := conn.Read()
	return err
}

// A client that is gone, idle, or does not read ends its socket at the limit, and nothing
// else does.
func TestLimits(t *testing.T) {
	big := make([]byte, 1<<20)
	for name, test := range map[string]struct {
		fn     func(context.Context, *websocket.Conn) error
		client func(net.Conn, *bufio.Reader)
		opts   []websocket.Option
		took   time.Duration
		want   string
	}{
		"no pong":     {read, silent, nil, 40 * time.Second, "socket closed with 1006: the client did not respond to a ping within 20s"},
		"pongs, idle": {read, pongs, []websocket.Option{websocket.IdleTimeout(10 * time.Minute)}, 10*time.Minute + 5*time.Second, "socket closed with 1001: no message within 10m0s"},
		"no pings":    {read, silent, []websocket.Option{websocket.PingInterval(0), websocket.IdleTimeout(time.Hour)}, time.Hour + 5*time.Second, "socket closed with 1001: no message within 1h0m0s"},
		"a message arrives": {read, func(conn net.Conn, reader *bufio.Reader) {
			go silent(conn, reader)
			time.Sleep(50 * time.Second)
			_, _ = io.WriteString(conn, frame(0x81, 1, "x"))
		}, []websocket.Option{websocket.PingInterval(time.Minute)}, 55 * time.Second, ""},
		"bytes arrive slowly": {read, func(conn net.Conn, reader *bufio.Reader) {
			go silent(conn, reader)
			for _, b := range []byte(frame(0x81, 100, strings.Repeat("x", 100))) {
				time.Sleep(10 * time.Second)
				_, _ = conn.Write([]byte{b})
			}
		}, nil, 1060*time.Second + 5*time.Second, ""},
		"the function does not read": {func(context.Context, *websocket.Conn) error { time.Sleep(10 * time.Minute); return nil }, func(conn net.Conn, reader *bufio.Reader) {
			go silent(conn, reader)
			_, _ = io.WriteString(conn, frame(0x81, 1, "x")+frame(0x81, 1, "y"))
		}, nil, 10*time.Minute + 5*time.Second, ""},
		"the client does not read": {func(_ context.Context, conn *websocket.Conn) error {
			for {
				if err := conn.WriteBinary(big); err != nil {
					return err
				}
			}
		}, func(net.Conn, *bufio.Reader) {}, nil, 30 * time.Second, "socket closed with 1006: the client did not read a message within 30s"},
		"the client reads slowly": {func(_ context.Context, conn *websocket.Conn) error {
			for range 3 {
				if err := conn.WriteBinary(big[:100]); err != nil {
					return err
				}
			}
			return nil
		}, func(_ net.Conn, reader *bufio.Reader) {
			for {
				time.Sleep(29 * time.Second)
				if _, err := io.ReadFull(reader, make([]byte, 102)); err != nil {
					return
				}
			}
		}, []websocket.Option{websocket.PingInterval(0)}, 92 * time.Second, ""},
		"no answer to the close": {func(context.Context, *websocket.Conn) error { return nil }, silent, nil, 5 * time.Second, ""},
		"a client that goes on sending": {read, func(conn net.Conn, reader *bufio.Reader) {
			go silent(conn, reader)
			_, err := io.WriteString(conn, frame(0x82, 1<<60, ""))
			for err == nil {
				_, err = conn.Write(make([]byte, 1<<10))
				time.Sleep(time.Millisecond)
			}
		}, nil, 1024*time.Millisecond + 5*time.Second, "socket closed with 1009: a message must have at most 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			took, err := bubble(t, test.fn, test.client, test.opts...)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if took.Round(time.Second) != test.took.Round(time.Second) || got != test.want {
				t.Errorf("after %s: %s", took, got)
			}
		})
	}
}
