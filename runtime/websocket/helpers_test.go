package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
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
