package runtime_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// unread serves an app, gets a path and reads nothing of the response for an hour.
func unread(t *testing.T, s *server, method, path string) {
	t.Helper()
	r := check.Value(http.NewRequest(method, s.url+path, http.NoBody))(t)
	r.Header.Set("Accept-Encoding", "identity")
	response := check.Value(s.http.Do(r))(t)
	defer response.Body.Close()
	time.Sleep(time.Hour)
	if n, err := io.Copy(io.Discard, response.Body); err == nil {
		t.Errorf("%s: read %d bytes, want a cut", path, n)
	}
}

// took checks how long something took. The sweep of HTTP/1 may be up to two seconds late.
func took(t *testing.T, host host, took, want time.Duration) {
	t.Helper()
	if most := want + time.Millisecond; took < want || took > most && (!host.inline || took > want+2*time.Second) {
		t.Errorf("it took %s, want %s", took, want)
	}
}

// lines writes 16 MiB in pieces of 1 KiB, until that fails.
func lines(write func([]byte) error) {
	line := make([]byte, 1<<10)
	for range 16 << 10 {
		if write(line) != nil {
			return
		}
	}
}

// http.limits.write_timeout ends a handler that flushes each piece.
func TestUnreadFlushes(t *testing.T) {
	own(t, func(t *testing.T, host host) {
		app, ended := newEcho(traffic(0, 0), runtime.WithLogger(quiet())), make(chan time.Duration, 1)
		app.Mount("/events", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			began := time.Now()
			lines(func(line []byte) error {
				_, err := w.Write(line)
				return errors.Join(err, http.NewResponseController(w).Flush())
			})
			ended <- time.Since(began)
		}))
		unread(t, host.start(t, app), "GET", "/events")
		took(t, host, <-ended, 30*time.Second)
	})
}

// A stream of an API has a limit of its own besides. The shorter one counts, and the log names
// it: the client is a slow reader.
func TestUnreadStream(t *testing.T) {
	for _, row := range []struct {
		limits, stream, want time.Duration
		by                   string
	}{
		{30 * time.Second, 0, 30 * time.Second, "http.limits.write_timeout"},
		{30 * time.Second, 30 * time.Second, 30 * time.Second, "traffic.stream.write_timeout"}, // the defaults
		{10 * time.Second, 30 * time.Second, 10 * time.Second, "http.limits.write_timeout"},
		{0, 20 * time.Second, 20 * time.Second, "traffic.stream.write_timeout"},
	} {
		for _, middleware := range []func(http.Handler) http.Handler{nil, wrap} {
			own(t, func(t *testing.T, host host) {
				log, logger := textLog(slog.LevelInfo)
				app := newEcho(logger, settings(func(c *config.Config) {
					c.HTTP.H2C, c.HTTP.Limits.WriteTimeout, c.Traffic.Stream.WriteTimeout = true, row.limits, row.stream
				}))
				if middleware != nil {
					app.Use(middleware)
				}
				ended := make(chan time.Duration, 1)
				runtime.HandleStream(app, "flood", func(context.Context, struct{}) iter.Seq2[[]byte, error] {
					return func(yield func([]byte, error) bool) {
						began := time.Now()
						lines(func(line []byte) error {
							if !yield(line, nil) {
								return io.EOF
							}
							return nil
						})
						ended <- time.Since(began)
					}
				})
				s := host.start(t, app)
				unread(t, s, "POST", "/flood")
				took(t, host, <-ended, row.want)
				if host.inline && row.by == "http.limits.write_timeout" { // the connection was closed
					return
				}
				check.Contains(t, log.String(), row.by+", "+row.want.String())
				check.Contains(t, s.samples("stream_ended", "slow_reader"), "} 1.0")
				check.Contains(t, s.samples("http_disconnects"), "} 0.0")
			})
		}
	}
}

// A handler reads its body while a write waits for the client, and may set deadlines meanwhile.
func TestFullDuplex(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			app, read, ended := newEcho(traffic(timeout, 0), runtime.WithLogger(quiet())), atomic.Int64{}, make(chan error, 1)
			app.Mount("/duplex", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				done := make(chan struct{})
				go func() {
					defer close(done)
					for {
						check.OK(t, http.NewResponseController(w).SetReadDeadline(time.Now().Add(5*time.Second)))
						n, err := r.Body.Read(make([]byte, 1<<10))
						if read.Add(int64(n)); err != nil {
							return
						}
					}
				}()
				_, err := w.Write(make([]byte, 8<<20))
				<-done
				ended <- err
			}))
			s, gate := serveH2C(t, app), make(chan struct{})
			body, client := io.Pipe()
			go func() {
				_, _ = io.WriteString(client, "x")
				<-gate
				for range 100 {
					_, _ = client.Write(make([]byte, 1<<10))
				}
				_ = client.Close()
			}()
			response := check.Value(s.http.Post(s.url+"/duplex", "", body))(t)
			defer response.Body.Close()
			time.Sleep(time.Second) // the write waits for the client
			close(gate)
			time.Sleep(time.Second)
			check.Equal(t, read.Load(), 1+100<<10)
			check.Equal(t, check.Value(io.Copy(io.Discard, response.Body))(t), 8<<20)
			check.OK(t, <-ended)
		})
	}
}

// A handler's own deadlines hold over several reads and writes, and http.limits besides.
func TestOwnDeadlines(t *testing.T) {
	for own, want := range map[time.Duration]time.Duration{time.Second: time.Second, 40 * time.Second: 40 * time.Second, 0: 55 * time.Second} {
		for _, timeout := range []time.Duration{0, time.Hour} {
			deadlines(t, own, timeout, want)
		}
	}
}

// deadlines checks when reads and writes of a handler end that has set deadlines of its own; 0:
// none. Its client goes on once, after 25 s.
func deadlines(t *testing.T, mine, timeout, want time.Duration) {
	t.Helper()
	own(t, func(t *testing.T, host host) {
		app, reads, writes := newEcho(traffic(timeout, 0), runtime.WithLogger(quiet())), make(chan time.Duration, 1), make(chan time.Duration, 1)
		at := func() time.Time {
			if mine == 0 {
				return time.Time{}
			}
			return time.Now().Add(mine)
		}
		app.Mount("/mine", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			control, began := http.NewResponseController(w), time.Now()
			check.OK(t, control.SetReadDeadline(at()))
			_, err := io.Copy(io.Discard, r.Body)
			reads <- time.Since(began)
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("reading: %v", err)
			}
		}))
		app.Mount("/theirs", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			control, began := http.NewResponseController(w), time.Now()
			check.OK(t, control.SetWriteDeadline(at()))
			lines(func(line []byte) error { _, err := w.Write(line); return err })
			writes <- time.Since(began)
		}))
		s := host.start(t, app)
		body, client := io.Pipe()
		go func() {
			_, _ = io.WriteString(client, "{")
			time.Sleep(25 * time.Second)
			_, _ = io.WriteString(client, "{")
		}()
		if response, err := s.http.Post(s.url+"/mine", "", body); err == nil {
			_ = response.Body.Close()
		}
		_ = client.Close()
		took(t, host, <-reads, want)
		response := check.Value(s.http.Get(s.url + "/theirs"))(t)
		defer response.Body.Close()
		time.Sleep(25 * time.Second)
		_, _ = io.CopyN(io.Discard, response.Body, 1<<20)
		time.Sleep(time.Hour)
		took(t, host, <-writes, want)
	})
}
