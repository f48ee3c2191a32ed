package conns

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a listener in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial opens a connection and sends data.
func (p pipes) dial(t *testing.T, sent string) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	p <- theirs
	if _, err := io.WriteString(ours, sent); err != nil {
		t.Fatal(err)
	}
	return ours
}

var limits = Limits{Header: 5 * time.Second, Idle: 2 * time.Minute, Body: 30 * time.Second, Write: 20 * time.Second}

const get = " HTTP/1.1\r\nHost: x\r\n\r\n"

// closedAfter returns how long a connection stays open; at most an hour.
func closedAfter(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	start := time.Now()
	_ = conn.SetReadDeadline(start.Add(time.Hour))
	if got, err := io.ReadAll(conn); len(got) > 0 || err != nil && !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
		t.Errorf("got %q, %v", got, err)
	}
	return time.Since(start)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// The sweep closes connections whose header is late or that are idle too long, but
// not connections whose request is being handled.
func TestSweep(t *testing.T) {
	for name, test := range map[string]struct {
		sent, then string
		want       time.Duration
	}{
		"silent":                    {"", "", limits.Header + sweepEvery},
		"incomplete header":         {"GET / HTTP/1.1\r\nHost: x\r\nX: ", "", limits.Header + sweepEvery},
		"idle after a response":     {"GET /quick" + get, "", limits.Idle + sweepEvery},
		"incomplete second request": {"GET /quick" + get, "GET /", limits.Header + sweepEvery},
		"request being handled":     {"GET /slow" + get, "", time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener, release := make(pipes), make(chan struct{})
				open := Listen(listener, limits)
				server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if Of(r.Context()).Handling(); r.URL.Path == "/slow" {
						<-release
					}
				})}
				open.Attach(server)
				ctx, stop := context.WithCancel(t.Context())
				go func() { _ = server.Serve(open) }()
				go open.Sweep(ctx)
				conn := listener.dial(t, test.sent)
				if strings.Contains(test.sent, "/quick") {
					if n, err := conn.Read(make([]byte, 1024)); n == 0 || err != nil {
						t.Errorf("read %d bytes, %v", n, err)
					}
				}
				_, _ = io.WriteString(conn, test.then)
				if got := closedAfter(t, conn); got != test.want {
					t.Errorf("it was closed after %s, want %s", got, test.want)
				}
				close(release)
				_ = conn.Close()
				synctest.Wait()
				if open.Open() != 0 || len(open.List()) != 0 {
					t.Errorf("%d connections are open", open.Open())
				}
				stop()
				_ = server.Close()
			})
		})
	}
}

// The frames of an idle HTTP/2 connection are no request that is late: a client that sends
// pings keeps it for the idle limit.
func TestIdleFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := make(pipes)
		open := Listen(listener, limits)
		server := &http.Server{Protocols: new(http.Protocols)}
		server.Protocols.SetUnencryptedHTTP2(true)
		open.Attach(server)
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = server.Serve(open) }()
		go open.Sweep(ctx)
		conn := listener.dial(t, "PRI *") // the preface arrives in two parts
		_, _ = io.WriteString(conn, " HTTP/2.0\r\n\r\nSM\r\n\r\n")
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		_, _ = io.WriteString(conn, "\x00\x00\x00\x04\x00\x00\x00\x00\x00") // SETTINGS
		began := time.Now()
		for ping := "\x00\x00\x08\x06\x00\x00\x00\x00\x00pingpong"; ; time.Sleep(3 * time.Second) {
			if _, err := io.WriteString(conn, ping); err != nil {
				break
			}
		}
		if took := time.Since(began); took < limits.Idle || took > limits.Idle+5*time.Second {
			t.Errorf("closed after %s, want %s", took, limits.Idle)
		}
		stop()
		_ = server.Close()
	})
}

// Wait returns when the last connection is closed, or after its time limit.
func TestWait(t *testing.T) {
	for name, test := range map[string]struct{ closed, want time.Duration }{
		"closed in time": {time.Second, time.Second},
		"closed later":   {time.Hour, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				open := Listen(make(pipes), limits)
				open.Wait(time.Minute)
				defer time.Sleep(test.closed)
				start := time.Now()
				one, other := &Conn{}, &Conn{}
				open.state(one, http.StateNew)
				open.state(other, http.StateNew)
				go func() {
					open.state(other, http.StateHijacked)
					time.Sleep(test.closed)
					open.state(one, http.StateClosed)
				}()
				if open.Wait(time.Minute); time.Since(start) != test.want {
					t.Errorf("it waited %s, want %s", time.Since(start), test.want)
				}
			})
		})
	}
}

// A server that is not attached has no tracked connections.
func TestNotTracked(t *testing.T) {
	var none *Conn
	none.Handling()
	open := Listen(make(pipes), limits)
	open.state(&net.TCPConn{}, http.StateNew)
	if Of(t.Context()) != nil || none.Requests() != nil || open.Open() != 0 {
		t.Error("a connection is tracked")
	}
}

type named struct {
	name string
	log  *[]string
}

func (n *named) RecordCut() { *n.log = append(*n.log, n.name) }

func TestInFlight(t *testing.T) {
	var none *InFlight
	var f InFlight
	var got []string
	a, b, c := &named{"a", &got}, &named{"b", &got}, &named{"c", &got}
	none.Add(a)
	none.Remove(a)
	for _, one := range []*named{a, b, c} {
		f.Add(one)
	}
	f.Remove(a)
	f.Remove(a)
	f.RecordCut()
	check.Equal(t, got, []string{"c", "b"})
}

// A connection is unfinished from the first byte of its first request to the response.
func TestUnfinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener, release := make(pipes), make(chan struct{})
		open := Listen(listener, limits)
		server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			Of(r.Context()).Handling()
			<-release
			Of(r.Context()).Responded()
			<-release
		})}
		open.Attach(server)
		go func() { _ = server.Serve(open) }()
		want := func(when string, n int) {
			synctest.Wait()
			if got := open.Unfinished(); got != n {
				t.Errorf("%s: %d unfinished, want %d", when, got, n)
			}
		}
		conn := listener.dial(t, "")
		want("opened", 0)
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHo")
		want("a part of the header", 1)
		_, _ = io.WriteString(conn, "st: x\r\n\r\n")
		want("in the handler", 1)
		release <- struct{}{}
		want("responded", 0)
		release <- struct{}{}
		if _, err := conn.Read(make([]byte, 1024)); err != nil {
			t.Error(err)
		}
		want("idle", 0)
		_ = conn.Close()
		_ = server.Close()
	})
}

// A sweep that is late with one request says nothing about the next.
func TestStalledRequest(t *testing.T) {
	conn := &Conn{of: Listen(make(pipes), limits)}
	conn.stalled.Store(true)
	conn.Handling()
	if conn.Stalled() {
		t.Error("the next request is stalled")
	}
}
