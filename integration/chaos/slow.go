package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// drip sends a text in pieces with pauses.
func drip(conn net.Conn, text string, pieces int, pause time.Duration) error {
	for i := range pieces {
		if _, err := io.WriteString(conn, text[i*len(text)/pieces:(i+1)*len(text)/pieces]); err != nil {
			return err
		}
		time.Sleep(pause)
	}
	return nil
}

// with dials, runs a client, and closes.
func (a *actor) with(client func(*net.TCPConn) outcome) outcome {
	conn, err := a.dial()
	if err != nil {
		return outcome{err: err}
	}
	defer conn.Close() //nolint:errcheck // nothing more is expected
	return client(conn)
}

func (a *actor) slowHeader() outcome {
	return a.with(func(conn *net.TCPConn) outcome {
		body := a.order("", 0, 0)
		if err := drip(conn, a.head(a.path("/plain"), len(body), "")+body, 5, 20*time.Millisecond); err != nil {
			return outcome{err: err}
		}
		return a.last(conn)
	})
}

// endlessHeader waits for the server to close.
func (a *actor) endlessHeader() outcome {
	return a.with(func(conn *net.TCPConn) outcome {
		head := a.head(a.path("/plain"), 10, "X-Late: ")
		if _, err := io.WriteString(conn, head[:len(head)-4]); err != nil {
			return outcome{err: err}
		}
		return a.last(conn)
	})
}

func (a *actor) slowBody() outcome {
	return a.with(func(conn *net.TCPConn) outcome {
		body := a.order("", 0, 0)
		if _, err := io.WriteString(conn, a.head(a.path("/plain"), len(body), "")); err != nil {
			return outcome{err: err}
		}
		if err := drip(conn, body, 5, 20*time.Millisecond); err != nil {
			return outcome{err: err}
		}
		return a.last(conn)
	})
}

func (a *actor) endlessBody() outcome {
	return a.raw(a.head(a.path("/plain"), 1000, "") + `{"nonce":`)
}

// slowReader reads a response that fills the buffers of the connection, with pauses.
func (a *actor) slowReader() outcome {
	return a.with(func(conn *net.TCPConn) outcome {
		_ = conn.SetReadBuffer(16 << 10)
		body := a.order("", 0, 1_000_000)
		if _, err := io.WriteString(conn, a.head(a.path("/plain"), len(body), "Connection: close\r\n")+body); err != nil {
			return outcome{err: err}
		}
		response, err := http.ReadResponse(bufio.NewReader(slowly{conn}), nil)
		if err != nil {
			return outcome{err: err}
		}
		return a.read(response)
	})
}

// slowly reads with pauses.
type slowly struct{ io.Reader }

// Read waits before it reads.
func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(100 * time.Microsecond)
	return s.Reader.Read(p)
}

// neverReads waits longer than http.limits.write_timeout before it reads a large response.
func (a *actor) neverReads() outcome {
	return a.with(func(conn *net.TCPConn) outcome {
		_ = conn.SetReadBuffer(16 << 10)
		body := a.order("", 0, 8_000_000)
		if _, err := io.WriteString(conn, a.head(a.path("/plain"), len(body), "Connection: close\r\n")+body); err != nil {
			return outcome{err: err}
		}
		time.Sleep(5500 * time.Millisecond)
		return a.last(conn)
	})
}
