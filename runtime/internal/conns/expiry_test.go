package conns

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Reads and deadlines of a tracked connection end when those of the connection below end, in
// any order of calls, and a read that has begun is ended by a deadline that has passed.
func TestReadDeadlines(t *testing.T) {
	for _, calls := range []string{
		"past read", "past read read", "past none read", "past past none read", "read", "future read", "future read read",
		"future none read", "future past none read", "past future read", "past future none read", "both read", "both none read",
		"reading past", "reading past read", "reading past none read", "reading none past none read", "reading future", "reading future none read",
		"reading both none read", "future reading none", "future reading past none read", "early read", "none none read", "past data read none read",
	} {
		t.Run(calls, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plain := readings(t, calls, func(c net.Conn) net.Conn { return c })
				tracked := readings(t, calls, func(c net.Conn) net.Conn { return &Conn{Conn: c, of: Listen(nil, Limits{})} })
				time.Sleep(time.Hour) // the clients end
				if plain != tracked {
					t.Errorf("got\n%s\nmust be as without tracking\n%s", tracked, plain)
				}
			})
		})
	}
}

// readings makes calls on one end of a pipe and says how each read ended, and when. A read without
// a deadline gets a byte after a minute.
func readings(t *testing.T, calls string, wrap func(net.Conn) net.Conn) string {
	t.Helper()
	below, client := net.Pipe()
	conn, start := wrap(below), time.Now()
	defer conn.Close()
	defer client.Close()
	go func() {
		for i := range byte(5) {
			time.Sleep(time.Minute)
			_, _ = client.Write([]byte{i})
		}
	}()
	var b strings.Builder
	read := func() string {
		p := make([]byte, 1)
		n, err := conn.Read(p)
		timeout, ok := err.(net.Error) // as net/http does
		return fmt.Sprintf("%d %v, timeout %t, after %s\n", n, p, ok && timeout.Timeout(), time.Since(start))
	}
	running := make(chan string, 1)
	for _, call := range strings.Fields(calls) {
		switch call {
		case "read":
			b.WriteString(read())
		case "reading":
			go func() { running <- read() }()
			synctest.Wait()
		case "past":
			_ = conn.SetReadDeadline(time.Unix(1, 0))
		case "early":
			_ = conn.SetReadDeadline(time.Now().Add(-time.Second))
		case "future":
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		case "both":
			_ = conn.SetDeadline(time.Unix(1, 0))
			_, err := conn.Write([]byte("x"))
			fmt.Fprintln(&b, err)
		case "none":
			_ = conn.SetDeadline(time.Time{})
		case "data":
			time.Sleep(2 * time.Minute)
		}
		synctest.Wait()
	}
	if strings.Contains(calls, "reading") {
		b.WriteString(<-running)
	}
	return b.String()
}
