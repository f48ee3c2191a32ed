package runtime_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// slow serves an app without timeouts, so that only http.limits bound a client.
func slow(t *testing.T, host host, more ...runtime.Option) (*server, *logBuffer) {
	log, logger := textLog(slog.LevelInfo)
	app := newEcho(append(more, traffic(0, 0), logger)...)
	runtime.Handle(app, "large", func(context.Context, struct{}) (string, error) { return strings.Repeat("x", 16<<20), nil })
	app.Mount("/sink", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		slog.New(slog.NewTextHandler(log, nil)).Info("sink", "error", err)
		w.WriteHeader(http.StatusTeapot)
	}))
	return host.start(t, app), log
}

// own are the hosts whose connections http.limits bounds.
func own(t *testing.T, run func(*testing.T, host)) {
	bubbles(t, func(t *testing.T, host host) {
		if host.name == "own" || host.name == "h2c" {
			run(t, host)
		}
	})
}

// A body that stops arriving is a 408, and a mounted handler gets an error. Bytes that arrive
// in time are waited for, however long all of them take.
func TestSilentBody(t *testing.T) {
	own(t, func(t *testing.T, host host) {
		s, log := slow(t, host)
		for path, want := range map[string]int{"/echo": http.StatusRequestTimeout, "/sink": http.StatusTeapot} {
			body, client := io.Pipe()
			go func() {
				for range 5 {
					_, _ = io.WriteString(client, "{")
					time.Sleep(25 * time.Second)
				}
			}()
			began := time.Now()
			r := check.Value(http.NewRequest("POST", s.url+path, body))(t)
			response := check.Value(s.http.Do(r))(t)
			check.Equal(t, response.StatusCode, want)
			_ = response.Body.Close()
			if took := time.Since(began); took < 130*time.Second || took > 132*time.Second { // 30 s after the last byte
				t.Errorf("%s: the response came after %s", path, took)
			}
			_ = client.Close()
		}
		check.Contains(t, log.String(), "sink error=\"", "status=408", "status=418")
		check.Equal(t, strings.Contains(log.String(), "disconnected"), false)
		if host.inline {
			check.Contains(t, s.samples("ekiben_http_late_clients_total", `"body"`), "} 2.0")
		}
	})
}

// A client that does not read its response holds it for http.limits.write_timeout.
func TestStalledReader(t *testing.T) {
	own(t, func(t *testing.T, host host) {
		s, _ := slow(t, host)
		r := check.Value(http.NewRequest("POST", s.url+"/large", strings.NewReader("{}")))(t)
		r.Header.Set("Content-Type", "application/json")
		response := check.Value(s.http.Do(r))(t)
		defer response.Body.Close()
		began := time.Now()
		for range 3 { // each read in time
			time.Sleep(20 * time.Second)
			check.Value(io.CopyN(io.Discard, response.Body, 100<<10))(t)
		}
		time.Sleep(time.Hour)
		n, err := io.Copy(io.Discard, response.Body)
		if err == nil || n > 15<<20 {
			t.Errorf("after %s: read %d more bytes, %v; want a cut", time.Since(began), n, err)
		}
		if host.inline {
			check.Contains(t, s.samples("ekiben_http_late_clients_total", `"write"`), "} 1.0")
		}
	})
}

// A connection whose function runs on after its 504 is closed, so that its descriptor is free.
func TestLingeringConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Deaf", traffic(time.Second, 0), runtime.WithLogger(quiet()))
		runtime.Handle(app, "deaf", func(context.Context, struct{}) (string, error) { time.Sleep(time.Hour); return "", nil })
		listener := newPipes()
		s := serveOn(t, app, listener)
		conn := check.Value(listener.dial(t.Context(), "", ""))(t)
		_, _ = io.WriteString(conn, "POST /deaf HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		response := check.Value(http.ReadResponse(bufio.NewReader(conn), nil))(t)
		check.Equal(t, response.StatusCode, http.StatusGatewayTimeout)
		_, _ = io.Copy(io.Discard, response.Body)
		began := time.Now()
		_, err := conn.Read(make([]byte, 1))
		if took := time.Since(began); took > 10*time.Second || !errors.Is(err, io.EOF) {
			t.Errorf("after %s: %v", took, err)
		}
		check.Contains(t, s.samples("ekiben_http_late_clients_total", `"lingering"`), "} 1.0")
		time.Sleep(2 * time.Hour)
	})
}

// A header above http.limits.max_header_size is a 431.
func TestLargeHeader(t *testing.T) {
	s := serve(t, newEcho(settings(func(c *config.Config) { c.HTTP.Limits.MaxHeaderSize = 8 << 10 })))
	for size, want := range map[int]string{7 << 10: "HTTP/1.1 200 OK", 13 << 10: "HTTP/1.1 431 Request Header Fields Too Large"} {
		conn := s.dial()
		_, _ = io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", size)+"\r\n\r\n")
		line := check.Value(bufio.NewReader(conn).ReadString('\r'))(t)
		check.Equal(t, line, want+"\r")
		_ = conn.Close()
	}
}
