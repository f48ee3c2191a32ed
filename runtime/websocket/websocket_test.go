package websocket_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits before it fails, for what takes far less.
const patience = time.Minute

// log is a log that a test can wait for.
type log struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	written chan struct{}
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.written <- struct{}{}:
	default:
	}
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *log) await(t *testing.T, part string) {
	t.Helper()
	for late := time.After(patience); !strings.Contains(l.String(), part); {
		select {
		case <-l.written:
		case <-late:
			t.Fatalf("waited for %q, logged\n%s", part, l.String())
		}
	}
}

// server is an app with one socket at /app/ws.
type server struct {
	t    *testing.T
	addr string
	log  *log
	stop func() // begins to end it
	end  func() error
}

func serve(t *testing.T, fn func(context.Context, *websocket.Conn) error, change func(*config.Config), opts ...websocket.Option) *server {
	t.Helper()
	s := &server{t: t, log: &log{written: make(chan struct{}, 1)}}
	cfg := config.Default()
	cfg.Shutdown.Idle = 0
	if change != nil {
		change(&cfg)
	}
	app := runtime.New("Sockets", runtime.WithConfig(cfg), runtime.WithLogger(slog.New(slog.NewTextHandler(s.log, nil))))
	mux := http.NewServeMux()
	mux.Handle("GET /ws", websocket.Handler(fn, opts...))
	app.Mount("/app", mux)
	listener := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	s.addr = listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.Serve(ctx, listener) }()
	taken := false
	s.stop = stop
	end := sync.OnceValue(func() error { stop(); return <-done })
	s.end = func() error { taken = true; return end() }
	t.Cleanup(func() {
		if err := end(); err != nil && !taken {
			t.Error(err)
		}
	})
	return s
}

// dial opens a socket, which is closed at the end of the test.
func (s *server) dial(opts *coder.DialOptions) *coder.Conn {
	s.t.Helper()
	conn, res, err := coder.Dial(s.t.Context(), "ws://"+s.addr+"/app/ws", opts)
	check.Must(s.t, err)
	_ = res
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

// read reads until the socket ends, and returns its code.
func (s *server) code(conn *coder.Conn) (coder.StatusCode, string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			var closed coder.CloseError
			errors.As(err, &closed)
			return closed.Code, closed.Reason
		}
	}
}

// samples returns the lines of /metrics that contain all parts, without the labels of the
// service.
func (s *server) samples(parts ...string) (found string) {
	s.t.Helper()
	res := check.Value(http.Get("http://" + s.addr + "/metrics"))(s.t)
	body := check.Value(io.ReadAll(res.Body))(s.t)
	check.OK(s.t, res.Body.Close())
	http.DefaultClient.CloseIdleConnections()
	for line := range strings.Lines(string(body)) {
		matches := !strings.HasPrefix(line, "#")
		for _, part := range parts {
			matches = matches && strings.Contains(line, part)
		}
		if matches {
			found += strings.NewReplacer(`,`+identity, "", identity, "", "bentoml_service_", "").Replace(line)
		}
	}
	return found
}

const identity = `runner_name="Sockets",service_name="Sockets",service_version="not available"`

// await waits until samples has a text: a client can know of an end before it is counted.
func (s *server) await(want string, parts ...string) {
	s.t.Helper()
	for late := time.Now().Add(patience); s.samples(parts...) != want; {
		if time.Now().After(late) {
			check.Equal(s.t, s.samples(parts...), want)
			return
		}
		goruntime.Gosched()
	}
}

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

// frame is a frame of a client, masked with zeros.
func frame(first byte, length int, payload string) string {
	head := []byte{first, 0x80 | byte(length)}
	switch {
	case length > 0xffff:
		head[1] = 0x80 | 127
		head = binary.BigEndian.AppendUint64(head, uint64(length))
	case length > 125:
		head[1] = 0x80 | 126
		head = binary.BigEndian.AppendUint16(head, uint16(length))
	}
	return string(head) + "\x00\x00\x00\x00" + payload
}

const handshake = "GET /app/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

// raw opens a socket without a client.
func (s *server) raw(more string) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	conn := check.Value(net.Dial("tcp", s.addr))(s.t)
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, handshake+more+"\r\n")
	reader := bufio.NewReader(conn)
	check.Equal(s.t, check.Value(http.ReadResponse(reader, nil))(s.t).StatusCode, 101)
	return conn, reader
}

// Each kind of bad frame closes the socket with its code and words, and the function gets
// no part of it.
func TestBadFrames(t *testing.T) {
	bomb := deflated(strings.Repeat("a", 10<<20))
	for name, test := range map[string]struct {
		sent string
		more string
		code int
		want string
	}{
		"too big":              {sent: frame(0x82, 1<<20, strings.Repeat("a", 1<<20)) + frame(0x82, 1<<20+1, strings.Repeat("a", 1<<20+1)), code: 1009, want: "a message must have at most 1048576 bytes"},
		"too big in parts":     {sent: frame(0x02, 1<<20, strings.Repeat("a", 1<<20)) + frame(0x80, 1, "a"), code: 1009, want: "a message must have at most 1048576 bytes"},
		"says that it is huge": {sent: frame(0x82, 1<<62, strings.Repeat("a", 1<<20+1)), code: 1009, want: "a message must have at most 1048576 bytes"},
		"compressed bomb":      {sent: frame(0xc2, len(bomb), bomb), more: "Sec-WebSocket-Extensions: permessage-deflate\r\n", code: 1009, want: "a message must have at most 1048576 bytes"},
		"not compressed":       {sent: frame(0xc2, 4, "\xff\xff\xff\xff"), more: "Sec-WebSocket-Extensions: permessage-deflate\r\n", code: 1007, want: "not compressed as agreed"},
		"not agreed":           {sent: frame(0xc2, 1, "a"), code: 1002, want: "rsv"},
		"no UTF-8":             {sent: frame(0x81, 2, "\xc3\x28"), code: 1007, want: "text must be valid UTF-8"},
		"UTF-8 cut off":        {sent: frame(0x01, 1, "\xc3") + frame(0x80, 0, ""), code: 1007, want: "text must be valid UTF-8"},
		"no mask":              {sent: "\x81\x01a", code: 1002, want: "unmasked"},
		"unknown kind":         {sent: frame(0x83, 1, "a"), code: 1002, want: "opcode"},
		"rest of nothing":      {sent: frame(0x80, 1, "a"), code: 1002, want: "continuation"},
		"two at once":          {sent: frame(0x01, 1, "a") + frame(0x81, 1, "a"), code: 1002, want: "without finishing"},
		"long ping":            {sent: frame(0x89, 126, strings.Repeat("a", 126)), code: 1002, want: "control frame"},
		"bad close":            {sent: frame(0x88, 2, "\x00\x01"), code: 1002, want: "close"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(_ context.Context, conn *websocket.Conn) error {
				for {
					m, err := conn.Read()
					if err != nil {
						return err
					}
					if len(m.Data) != 1<<20 {
						t.Errorf("the function got %d bytes", len(m.Data))
					}
				}
			}, nil, websocket.Compression())
			conn, reader := s.raw(test.more)
			go func() { _, _ = io.WriteString(conn, test.sent) }()
			head := make([]byte, 4)
			_, err := io.ReadFull(reader, head)
			check.Must(t, err)
			reason := make([]byte, int(head[1])-2)
			_, err = io.ReadFull(reader, reason)
			check.OK(t, err)
			if code := int(binary.BigEndian.Uint16(head[2:])); head[0] != 0x88 || code != test.code || !strings.Contains(string(reason), test.want) {
				t.Errorf("got %x, %d %q", head[0], code, reason)
			}
			_ = conn.Close()
			s.await(fmt.Sprintf("ekiben_websocket_closed_total{code=\"%d\",endpoint=\"/app/ws\"} 1.0\n", test.code), "closed_total")
		})
	}
}

func deflated(text string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = io.WriteString(w, text)
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// A bad handshake is refused with words and counted as a request.
func TestHandshakes(t *testing.T) {
	s := serve(t, echo, nil, websocket.Origins("*.example.org", "https://exact.com"), websocket.Subprotocols("v2", "v1"))
	for name, test := range map[string]struct {
		change [2]string
		status int
		want   string
	}{
		"good":              {[2]string{}, 101, ""},
		"same origin":       {[2]string{"Host: x", "Host: x\r\nOrigin: http://x"}, 101, ""},
		"allowed host":      {[2]string{"Host: x", "Host: x\r\nOrigin: http://a.example.org"}, 101, ""},
		"allowed origin":    {[2]string{"Host: x", "Host: x\r\nOrigin: https://exact.com"}, 101, ""},
		"other scheme":      {[2]string{"Host: x", "Host: x\r\nOrigin: http://exact.com"}, 403, `"exact.com" is not authorized`},
		"other origin":      {[2]string{"Host: x", "Host: x\r\nOrigin: http://evil.com"}, 403, `"evil.com" is not authorized`},
		"no origin":         {[2]string{"Host: x", "Host: x\r\nOrigin: null"}, 403, `"null" is not a valid URL`},
		"subprotocol":       {[2]string{"Host: x", "Host: x\r\nSec-WebSocket-Protocol: v0, v1, v2"}, 101, "v2"},
		"other subprotocol": {[2]string{"Host: x", "Host: x\r\nSec-WebSocket-Protocol: v0"}, 101, ""},
		"wrong version":     {[2]string{"Version: 13", "Version: 12"}, 400, "only 13 is supported"},
		"no key":            {[2]string{"Sec-WebSocket-Key", "X"}, 400, "missing Sec-WebSocket-Key"},
		"short key":         {[2]string{"AAAAAAAAAAAAAAAAAAAAAA==", "AAAA"}, 400, "16 byte"},
		"no upgrade":        {[2]string{"Upgrade: websocket", "X: y"}, 426, "does not contain websocket"},
		"another upgrade":   {[2]string{"Upgrade: websocket", "Upgrade: h2c"}, 426, "does not contain websocket"},
		"HTTP/1.0":          {[2]string{"HTTP/1.1", "HTTP/1.0"}, 426, "at least HTTP/1.1"},
		"method of the mux": {[2]string{"GET", "POST"}, 405, "Method Not Allowed"},
	} {
		conn := check.Value(net.Dial("tcp", s.addr))(t)
		_, _ = io.WriteString(conn, strings.Replace(handshake, test.change[0], test.change[1], 1)+"\r\n")
		res := check.Value(http.ReadResponse(bufio.NewReader(conn), nil))(t)
		got := res.Header.Get("Sec-WebSocket-Protocol")
		if res.StatusCode != 101 {
			body, _ := io.ReadAll(res.Body)
			got = string(body)
		}
		if res.StatusCode != test.status || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %d %q", name, res.StatusCode, got)
		}
		_ = conn.Close()
	}
	check.Equal(t, s.samples("request_total", `"/app/ws"`), `request_total{endpoint="/app/ws",http_response_code="400"} 3.0
request_total{endpoint="/app/ws",http_response_code="403"} 3.0
request_total{endpoint="/app/ws",http_response_code="426"} 3.0
`)
}

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
	code, _ := s.code(conn)
	check.Equal(t, code, 1001)
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
