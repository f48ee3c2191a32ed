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

// lateMessage is a client that sends a message after 50 s.
func lateMessage(conn net.Conn, reader *bufio.Reader) {
	go silent(conn, reader)
	time.Sleep(50 * time.Second)
	_, _ = io.WriteString(conn, frame(0x81, 1, "x"))
}

// slowBytes is a client that sends a byte of its message each 10 s.
func slowBytes(conn net.Conn, reader *bufio.Reader) {
	go silent(conn, reader)
	for _, b := range []byte(frame(0x81, 100, strings.Repeat("x", 100))) {
		time.Sleep(10 * time.Second)
		_, _ = conn.Write([]byte{b})
	}
}

func twoMessages(conn net.Conn, reader *bufio.Reader) {
	go silent(conn, reader)
	_, _ = io.WriteString(conn, frame(0x81, 1, "x")+frame(0x81, 1, "y"))
}

// slowReader is a client that reads a message of 100 bytes each 29 s.
func slowReader(_ net.Conn, reader *bufio.Reader) {
	for {
		time.Sleep(29 * time.Second)
		if _, err := io.ReadFull(reader, make([]byte, 102)); err != nil {
			return
		}
	}
}

// endless is a client that begins a message that is too large, and goes on sending.
func endless(conn net.Conn, reader *bufio.Reader) {
	go silent(conn, reader)
	_, err := io.WriteString(conn, frame(0x82, 1<<60, ""))
	for err == nil {
		_, err = conn.Write(make([]byte, 1<<10))
		time.Sleep(time.Millisecond)
	}
}

// writes is a function that writes messages of a size.
func writes(messages, size int) func(context.Context, *websocket.Conn) error {
	return func(_ context.Context, conn *websocket.Conn) error {
		for range messages {
			if err := conn.WriteBinary(make([]byte, size)); err != nil {
				return err
			}
		}
		return nil
	}
}

// A client that is gone, idle, or does not read ends its socket at the limit, and nothing
// else does.
func TestLimits(t *testing.T) {
	idle, pings := websocket.IdleTimeout, websocket.PingInterval
	unread := func(context.Context, *websocket.Conn) error { time.Sleep(10 * time.Minute); return nil }
	const closing = 5 * time.Second // the client does not respond to the close
	for name, test := range map[string]struct {
		fn     func(context.Context, *websocket.Conn) error
		client func(net.Conn, *bufio.Reader)
		opts   []websocket.Option
		took   time.Duration
		want   string
	}{
		"no pong":                       {read, silent, nil, 40 * time.Second, "socket closed with 1006: the client did not respond to a ping within 20s"},
		"pongs, idle":                   {read, pongs, []websocket.Option{idle(10 * time.Minute)}, 10*time.Minute + closing, "socket closed with 1001: no message within 10m0s"},
		"no pings":                      {read, silent, []websocket.Option{pings(0), idle(time.Hour)}, time.Hour + closing, "socket closed with 1001: no message within 1h0m0s"},
		"a message arrives":             {read, lateMessage, []websocket.Option{pings(time.Minute)}, 50*time.Second + closing, ""},
		"bytes arrive slowly":           {read, slowBytes, nil, 1060*time.Second + closing, ""},
		"the function does not read":    {unread, twoMessages, nil, 10*time.Minute + closing, ""},
		"the client does not read":      {writes(1<<20, 1<<20), func(net.Conn, *bufio.Reader) {}, nil, 30 * time.Second, "socket closed with 1006: the client did not read a message within 30s"},
		"the client reads slowly":       {writes(3, 100), slowReader, []websocket.Option{pings(0)}, 92 * time.Second, ""},
		"no answer to the close":        {writes(0, 0), silent, nil, closing, ""},
		"a client that goes on sending": {read, endless, nil, 1024*time.Millisecond + closing, "socket closed with 1009: a message must have at most 1048576 bytes"},
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
