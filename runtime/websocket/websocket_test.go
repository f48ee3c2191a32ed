package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/websocket"
)

// patience is how long a test waits before it fails, for what takes far less.
const patience = time.Minute

const identity = `runner_name="Sockets",service_name="Sockets",service_version="not available"`

func echo(_ context.Context, conn *websocket.Conn) error {
	for {
		m, err := conn.Read()
		if err != nil || string(m.Data) == "bye" {
			return err
		}
		if err := conn.Write(m); err != nil {
			return err
		}
	}
}

// The three families of BentoML have its numbers: messages with their characters or bytes, without
// control frames, and no request. Families appear with their first value.
func TestFamilies(t *testing.T) {
	s := serve(t, echo, nil)
	check.Equal(t, s.samples("websocket"), "")
	conn := s.dial(nil)
	s.await("websocket_connections{endpoint=\"/app/ws\"} 1.0\n", "websocket")
	check.Equal(t, s.samples(`"/app/ws"`, "request_"), "request_in_progress{endpoint=\"/app/ws\"} 1.0\n")
	for _, text := range []string{"one", "schön"} {
		check.Must(t, conn.Write(t.Context(), coder.MessageText, []byte(text)))
		_, got, err := conn.Read(t.Context())
		check.OK(t, err)
		check.Equal(t, string(got), text)
	}
	check.Must(t, conn.Write(t.Context(), coder.MessageBinary, []byte("schön")))
	_, _, err := conn.Read(t.Context())
	check.OK(t, err)
	check.OK(t, conn.Write(t.Context(), coder.MessageText, []byte("bye")))
	code, _ := s.code(conn)
	check.Equal(t, code, coder.StatusNormalClosure)
	s.await("request_in_progress{endpoint=\"/app/ws\"} 0.0\n", `"/app/ws"`, "request_")
	check.Equal(t, s.samples("websocket"), `websocket_connections{endpoint="/app/ws"} 0.0
websocket_data_received_count{endpoint="/app/ws"} 4.0
websocket_data_received_sum{endpoint="/app/ws"} 17.0
websocket_data_sent_count{endpoint="/app/ws"} 3.0
websocket_data_sent_sum{endpoint="/app/ws"} 14.0
ekiben_websocket_closed_total{code="1000",endpoint="/app/ws"} 1.0
`)
	s.log.await(t, "path=/app/ws route=/app/ws status=101")
	if strings.Contains(s.log.String(), "level=ERROR") {
		t.Error(s.log)
	}
}

// What the function returns closes the socket. Only what is its own fault is logged.
func TestFunctionEnds(t *testing.T) {
	for name, test := range map[string]struct {
		fn     func(context.Context, *websocket.Conn) error
		code   coder.StatusCode
		reason string
		logged string
	}{
		"nil":    {func(context.Context, *websocket.Conn) error { return nil }, 1000, "", ""},
		"error":  {func(context.Context, *websocket.Conn) error { return errors.New("secret") }, 1011, masked, "error=secret"},
		"EOF":    {func(context.Context, *websocket.Conn) error { return io.EOF }, 1011, masked, "error=EOF"},
		"panic":  {func(context.Context, *websocket.Conn) error { panic("secret") }, 1011, masked, `error="panic: secret"`},
		"Goexit": {func(context.Context, *websocket.Conn) error { goruntime.Goexit(); return nil }, 1011, masked, "runtime.Goexit"},
		"abort":  {func(context.Context, *websocket.Conn) error { panic(http.ErrAbortHandler) }, 0, "", ""},
		"chosen": {func(context.Context, *websocket.Conn) error {
			return &websocket.CloseError{Code: 4001, Reason: "no such room"}
		}, 4001, "no such room", ""},
		"wrapped": {func(context.Context, *websocket.Conn) error {
			return fmt.Errorf("x: %w", &websocket.CloseError{Code: 1008})
		}, 1008, "", ""},
		"illegal": {func(context.Context, *websocket.Conn) error { return &websocket.CloseError{Code: 999} }, 1011, masked, "found 999"},
		"Close": {func(_ context.Context, conn *websocket.Conn) error {
			if err := conn.Close(1, ""); err == nil {
				return errors.New("Close takes the code 1")
			}
			return errors.Join(conn.Close(1000, "done"), conn.Close(1001, "again"))
		}, 1000, "done", ""},
		"text for bytes": {func(_ context.Context, conn *websocket.Conn) error {
			check.OK(t, conn.WriteText("begin"))
			_, err := conn.ReadBinary()
			return err
		}, 1003, "messages must be binary, found text", ""},
		"no JSON":  {func(_ context.Context, conn *websocket.Conn) error { return conn.ReadJSON(new(int)) }, 1007, "the message is not the JSON that is expected: ", ""},
		"bad text": {func(_ context.Context, conn *websocket.Conn) error { return conn.WriteText("\xff") }, 1011, masked, "must be valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, test.fn, nil)
			conn := s.dial(nil)
			_ = conn.Write(t.Context(), coder.MessageText, []byte("no"))
			code, reason := s.code(conn)
			if code != test.code || !strings.HasPrefix(reason, test.reason) {
				t.Errorf("closed with %d %q", code, reason)
			}
			s.log.await(t, "status=101")
			if logged := strings.Contains(s.log.String(), "level=ERROR"); logged != (test.logged != "") || !strings.Contains(s.log.String(), test.logged) {
				t.Errorf("logged %s", s.log)
			}
			s.await("websocket_connections{endpoint=\"/app/ws\"} 0.0\n", "websocket_connections")
		})
	}
}

// The largest message may be any number.
func TestLargestMessage(t *testing.T) {
	s := serve(t, func(_ context.Context, conn *websocket.Conn) error {
		text, err := conn.ReadText()
		return errors.Join(err, conn.WriteText(text))
	}, nil, websocket.MaxMessage(math.MaxInt64))
	conn := s.dial(nil)
	check.OK(t, conn.Write(t.Context(), coder.MessageText, []byte("hello")))
	_, got, err := conn.Read(t.Context())
	check.OK(t, err)
	check.Equal(t, string(got), "hello")
}

const masked = "an unexpected error has occurred, see the log of the server"

// A client that leaves or closes ends the function's context and its reads, while the
// function does something else.
func TestClientLeaves(t *testing.T) {
	for name, test := range map[string]struct {
		leave func(*coder.Conn)
		want  string
		code  string
	}{
		"closes":  {func(c *coder.Conn) { _ = c.Close(1000, "") }, "EOF", "1000"},
		"browser": {func(c *coder.Conn) { _ = c.Close(1001, "") }, "EOF", "1001"},
		"4000":    {func(c *coder.Conn) { _ = c.Close(4000, "mine") }, "socket closed by the client with 4000: mine", "4xxx"},
		"drops":   {func(c *coder.Conn) { _ = c.CloseNow() }, "socket closed with 1006: the client has left", "1006"},
	} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 2)
			s := serve(t, func(ctx context.Context, conn *websocket.Conn) error {
				<-ctx.Done()
				_, err := conn.Read()
				failed <- err
				failed <- conn.WriteText("x")
				return err
			}, nil)
			test.leave(s.dial(nil))
			for range 2 {
				if err := <-failed; !strings.HasPrefix(err.Error(), test.want) {
					t.Errorf("got %v", err)
				}
			}
			s.await("ekiben_websocket_closed_total{code=\""+test.code+"\",endpoint=\"/app/ws\"} 1.0\n", "closed_total")
			if strings.Contains(s.log.String(), "level=ERROR") {
				t.Error(s.log)
			}
		})
	}
}

const handshake = "GET /app/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

// Options that are wrong refuse every handshake, and the log says why.
func TestBadOptions(t *testing.T) {
	s := serve(t, nil, nil, nil, websocket.Origins("["), websocket.MaxMessage(0), websocket.PingInterval(5), websocket.IdleTimeout(-1), websocket.WriteTimeout(1))
	_, res, err := coder.Dial(t.Context(), "ws://"+s.addr+"/app/ws", nil)
	if err == nil || res.StatusCode != 500 {
		t.Error(err)
	}
	for _, want := range []string{"option 1 must not be nil", "websocket.Origins: ", "websocket.MaxMessage: ", "websocket.PingInterval: ", "websocket.IdleTimeout: ", "websocket.WriteTimeout: ", "the function must not be nil"} {
		s.log.await(t, want)
	}
}

// The socket of another library works in a mount. It is not measured.
func TestForeignSocket(t *testing.T) {
	app := runtime.New("Foreign", runtime.WithLogger(slog.New(slog.DiscardHandler)))
	app.Mount("/ws", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := coder.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		check.OK(t, conn.Close(1000, "theirs"))
	}))
	h := check.Value(app.Handler())(t)
	server := httptest.NewServer(h)
	conn, _, err := coder.Dial(t.Context(), server.URL+"/ws", nil)
	check.Must(t, err)
	if _, _, err := conn.Read(t.Context()); coder.CloseStatus(err) != 1000 {
		t.Error(err)
	}
	page := ""
	for late := time.Now().Add(patience); !strings.Contains(page, `request_in_progress{endpoint="/ws",runner_name="Foreign",service_name="Foreign",service_version="not available"} 0.0`); {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", http.NoBody))
		if page = w.Body.String(); time.Now().After(late) {
			t.Fatal(page)
		}
	}
	if strings.Contains(page, "websocket_") || strings.Contains(page, `request_total{endpoint="/ws"`) {
		t.Error(page)
	}
	check.OK(t, app.Shutdown(t.Context()))
	server.Close()
}

// Without an app, a socket works, and its failures are in the default log.
func TestWithoutAnApp(t *testing.T) {
	h := httptest.NewServer(websocket.Handler(echo))
	t.Cleanup(h.Close)
	conn, _, err := coder.Dial(t.Context(), "ws"+strings.TrimPrefix(h.URL, "http"), nil)
	check.Must(t, err)
	check.OK(t, conn.Write(t.Context(), coder.MessageBinary, []byte("x")))
	_, got, err := conn.Read(t.Context())
	check.OK(t, err)
	check.Equal(t, string(got), "x")
	check.OK(t, conn.Close(1000, ""))
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", http.NoBody)
	for _, line := range strings.Split(strings.TrimSpace(handshake), "\r\n")[1:] {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	websocket.Handler(echo).ServeHTTP(w, r)
	check.Equal(t, w.Code, http.StatusNotImplemented)
}
