package runtime_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A response that does not need the body does not wait for it. The connection then ends,
// unless the body had arrived.
func TestUnreadBody(t *testing.T) {
	for name, test := range map[string]struct {
		head string
		keep bool
		body string // what arrives of it, with the head
	}{
		"not found":        {"POST /nowhere HTTP/1.1\r\nContent-Length: 10\r\n", false, ""},
		"wrong method":     {"PUT /echo HTTP/1.1\r\nContent-Length: 10\r\n", false, ""},
		"too many":         {"POST /busy HTTP/1.1\r\nContent-Length: 10\r\n", false, ""},
		"mount, too many":  {"POST /app/x HTTP/1.1\r\nContent-Length: 10\r\n", false, ""},
		"probe":            {"GET /livez HTTP/1.1\r\nContent-Length: 10\r\n", false, ""},
		"metrics":          {"GET /metrics HTTP/1.1\r\nContent-Length: 10\r\n", false, ""},
		"chunked":          {"POST /nowhere HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", false, ""},
		"expected":         {"POST /nowhere HTTP/1.1\r\nContent-Length: 10\r\nExpect: 100-continue\r\n", false, ""},
		"probe, arrived":   {"GET /livez HTTP/1.1\r\nContent-Length: 0\r\n", true, ""},
		"without a body":   {"POST /nowhere HTTP/1.1\r\nContent-Length: 0\r\n", true, ""},
		"method of a page": {"DELETE /docs.json HTTP/1.1\r\nContent-Length: 10\r\n", false, ""},
		"1 byte":           {"POST /nowhere HTTP/1.1\r\nContent-Length: 1\r\n", false, ""},
		"1 byte of 2":      {"POST /nowhere HTTP/1.1\r\nContent-Length: 2\r\n", false, "{"},
		"9 bytes of 10":    {"POST /nowhere HTTP/1.1\r\nContent-Length: 10\r\n", false, "123456789"},
	} {
		t.Run(name, func(t *testing.T) {
			hangs(t)
			synctest.Test(t, func(t *testing.T) {
				log, logger := textLog(slog.LevelInfo)
				app := newEcho(settings(func(c *config.Config) {
					c.Traffic.Endpoints = map[string]config.EndpointTraffic{"/busy": {MaxConcurrency: new(1)}, "/app": {MaxConcurrency: new(1)}}
				}), logger)
				gate := newGate()
				runtime.Handle(app, "busy", gate.wait)
				app.Mount("/app", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-gate.release }))
				listener := newPipes()
				s := serveOn(t, app, listener)
				go s.post("/busy", `{"text":"x"}`)
				go s.post("/app/x", "")
				synctest.Wait()
				conn := check.Value(listener.dial(t.Context(), "", ""))(t)
				defer conn.Close()
				began := time.Now()
				_, _ = io.WriteString(conn, test.head+"Host: x\r\n\r\n"+test.body)
				response := check.Value(http.ReadResponse(bufio.NewReader(conn), nil))(t)
				_, _ = io.Copy(io.Discard, response.Body)
				check.Equal(t, time.Since(began), 0)
				check.Equal(t, !response.Close, test.keep)
				synctest.Wait()
				if got := log.String(); strings.Contains(got, "disconnected") || strings.Contains(got, "msg=request") && !strings.Contains(got, fmt.Sprintf("status=%d", response.StatusCode)) {
					t.Errorf("status %d is logged as\n%s", response.StatusCode, got)
				}
				close(gate.release)
			})
		})
	}
}

// The body of a refused request that has arrived is passed over: the connection is kept.
func TestArrivedBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		serveOn(t, newEcho(runtime.WithLogger(quiet())), listener)
		conn := check.Value(listener.dial(t.Context(), "", ""))(t)
		defer conn.Close()
		from := bufio.NewReader(conn)
		for _, body := range []string{"1", "12", "1234567890"} {
			began := time.Now()
			_, _ = fmt.Fprintf(conn, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			response := check.Value(http.ReadResponse(from, nil))(t)
			_, _ = io.Copy(io.Discard, response.Body)
			check.Equal(t, response.Close, false)
			check.Equal(t, time.Since(began), 0)
		}
	})
}

// Middleware keeps the context of a request whose body the app has passed over.
func TestContextAfterPassedBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newEcho(runtime.WithLogger(quiet()))
		app.Use(middlewareOf(func(w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(http.StatusUnauthorized)
			time.Sleep(time.Minute)
			check.OK(t, r.Context().Err())
			return false
		}))
		s := servePipe(t, app)
		for _, body := range []string{"1", "{}", "1234567890"} {
			s.post("/echo", body).want(t, http.StatusUnauthorized, "")
		}
	})
}

// A body that /metrics does not read does not keep its connection open.
func TestMetricsWithBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := serveOn(t, newEcho(), newPipes()).dial()
		_, err := io.WriteString(conn, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
		check.Must(t, err)
		response, err := io.ReadAll(conn) // to its end: the app closes it
		if !strings.HasPrefix(string(response), "HTTP/1.1 405") || err != nil {
			t.Errorf("got %q, %v", response, err)
		}
	})
}

// A response of middleware that did not wait for the function leaves the body to the function,
// which may be reading it.
func TestBodyThatIsBeingRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newEcho(runtime.WithLogger(quiet()))
		app.Use(func(next http.Handler) http.Handler { // like http.TimeoutHandler
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				go next.ServeHTTP(httptest.NewRecorder(), r)
				time.Sleep(time.Second)
				http.Error(w, "late", http.StatusServiceUnavailable)
			})
		})
		s := serveOn(t, app, newPipes())
		conn := s.dial()
		_, _ = io.WriteString(conn, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
		response := check.Value(http.ReadResponse(bufio.NewReader(conn), nil))(t)
		body := check.Value(io.ReadAll(response.Body))(t)
		check.Equal(t, fmt.Sprint(response.StatusCode, " ", string(body), " ", response.Close), "503 late\n true")
		check.OK(t, conn.Close(), s.end())
	})
}
