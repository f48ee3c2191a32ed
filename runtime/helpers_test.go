package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	_ "github.com/ekiben-serving/ekiben/exporters/otlp/grpc" // otlp.protocol: grpc
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
	_ "github.com/ekiben-serving/ekiben/runtime/profiles" // admin.profiles
	_ "github.com/ekiben-serving/ekiben/tasks/sqlite"     // the default of tasks.store
)

func TestMain(m *testing.M) {
	if os.Getenv(drainChild) != "" {
		os.Exit(runDrainChild())
	}
	code := m.Run()
	if leak := leaks(); code == 0 && leak != nil {
		fmt.Fprintln(os.Stderr, leak)
		code = 1
	}
	os.Exit(code)
}

// patience is how long a test waits before it fails, for what takes far less.
const patience = time.Minute

// leaks returns which goroutines do not end within patience. goleak itself waits for less than half
// a second, in which a busy machine may not run them at all.
func leaks(options ...goleak.Option) (err error) {
	for late := time.Now().Add(patience); time.Now().Before(late); {
		if err = goleak.Find(options...); err == nil {
			return nil
		}
	}
	return err
}

// hangs makes a test that hangs fail after patience. In a bubble, a goroutine that
// waits for a lock keeps the clock from moving, and no deadlock is found.
func hangs(t *testing.T) {
	t.Helper()
	timer := time.AfterFunc(patience, func() {
		debug.SetTraceback("all")
		panic(t.Name() + " hangs: see which goroutines wait for a lock")
	})
	t.Cleanup(func() { timer.Stop() })
}

// pattern compiles a valid expression.
func pattern(expression string) config.Pattern {
	p, _ := config.ParsePattern(expression)
	return p
}

type text struct {
	Text string `json:"text" default:"hello"`
}

// gate is a function that waits until it is released. It can ignore its context.
type gate struct {
	entered chan struct{}
	release chan struct{}
}

func newGate() *gate {
	return &gate{entered: make(chan struct{}, 100), release: make(chan struct{})}
}

func (g *gate) wait(context.Context, text) (string, error) {
	g.entered <- struct{}{}
	<-g.release
	return "late", nil
}

// logBuffer is a log that a test reads while the server writes it.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// awaited is a log that a test can wait for.
type awaited struct {
	logBuffer
	t       *testing.T
	written chan struct{}
}

func newAwaited(t *testing.T) (*awaited, runtime.Option) {
	log := &awaited{t: t, written: make(chan struct{}, 1)}
	return log, runtime.WithLogger(textLogger(log))
}

func (a *awaited) Write(p []byte) (int, error) {
	n, err := a.logBuffer.Write(p)
	select {
	case a.written <- struct{}{}:
	default:
	}
	return n, err
}

// await returns when the log contains part.
func (a *awaited) await(part string) {
	a.t.Helper()
	for late := time.After(patience); !strings.Contains(a.String(), part); {
		select {
		case <-a.written:
		case <-late:
			a.t.Fatalf("waited %s for %q, logged\n%s", patience, part, a.String())
		}
	}
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func (b *logBuffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Reset()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func settings(change func(*config.Config)) runtime.Option {
	cfg := config.Default()
	cfg.Shutdown.Idle = 0
	if change != nil {
		change(&cfg)
	}
	return runtime.WithConfig(cfg)
}

// newApp makes an app that logs nothing and does not wait for idle connections.
func newApp(name string, opts ...runtime.Option) *runtime.App {
	return runtime.New(name, append([]runtime.Option{settings(nil), runtime.WithLogger(quiet())}, opts...)...)
}

// server is an app that serves until the test ends it, or ends.
type server struct {
	t    *testing.T
	url  string
	http *http.Client
	stop func()       // begins to end it; nil: there is no server
	end  func() error // ends it and returns its error, which otherwise fails the test
}

// start starts a server, which runs until stop is called. Without a listener the
// caller sets its url.
func start(t *testing.T, listener net.Listener, stop func(), run func() error) *server {
	transport, done := &http.Transport{}, make(chan error, 1)
	s := &server{t: t, http: &http.Client{Transport: transport, Timeout: patience}, stop: stop}
	switch l := listener.(type) {
	case nil:
	case *pipes: // in a bubble, where a minute may be a moment
		transport.DialContext, s.url, s.http.Timeout = l.dial, "http://pipe", 0
	default:
		s.url = "http://" + l.Addr().String()
	}
	go func() { done <- run() }()
	end := sync.OnceValue(func() error { stop(); return <-done })
	taken := false
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := end(); err != nil && !taken {
			t.Errorf("the server ended with %v", err)
		}
	})
	s.end = func() error { taken = true; return end() }
	return s
}

// listen listens on a free port until the test ends.
func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	listener := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.(*net.TCPListener)
}

// serve serves an app on its own socket.
func serve(t *testing.T, app *runtime.App) *server {
	t.Helper()
	return serveOn(t, app, listen(t))
}

func serveOn(t *testing.T, app *runtime.App, listener net.Listener) *server {
	ctx, stop := context.WithCancel(context.Background())
	return start(t, listener, stop, func() error { return app.Serve(ctx, listener) })
}

// dial opens a connection to the server.
func (s *server) dial() net.Conn {
	s.t.Helper()
	dial := s.http.Transport.(*http.Transport).DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn := check.Value(dial(s.t.Context(), "tcp", strings.TrimPrefix(s.url, "http://")))(s.t)
	return conn
}

// handler returns the handler of an app, which is shut down at the end of the test.
func handler(t testing.TB, app *runtime.App) http.Handler {
	t.Helper()
	h := check.Value(app.Handler())(t)
	t.Cleanup(func() {
		check.OK(t, app.Shutdown(context.Background()))
	})
	return h
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request, with headers given as pairs.
func (s *server) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	got := check.Value(s.try(method, path, body, headers...))(s.t)
	return got
}

func (s *server) try(method, path, body string, headers ...string) (answer, error) {
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	content, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(content)}, errors.Join(err, res.Body.Close())
}

func (s *server) post(path, body string) answer {
	s.t.Helper()
	return s.do(http.MethodPost, path, body)
}

// want checks the status and body of a response.
func (a answer) want(t *testing.T, status int, body string) answer {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("got %d %q, want %d %q", a.status, a.body, status, body)
	}
	return a
}

// has checks headers of a response, given as names and values.
func (a answer) has(t *testing.T, headers ...string) {
	t.Helper()
	for i := 0; i < len(headers); i += 2 {
		if got := a.header.Get(headers[i]); got != headers[i+1] {
			t.Errorf("%s: got %q, want %q", headers[i], got, headers[i+1])
		}
	}
}

// page returns /metrics without durations and timestamps.
func (s *server) page() string {
	s.t.Helper()
	return s.do(http.MethodGet, "/metrics", "").body
}

// samples returns the lines of page that contain all parts, without their common
// labels.
func (s *server) samples(parts ...string) string {
	s.t.Helper()
	var found []string
	for line := range strings.Lines(s.page()) {
		matches := !strings.HasPrefix(line, "#")
		for _, part := range parts {
			matches = matches && strings.Contains(line, part)
		}
		if matches {
			found = append(found, identityLabels.ReplaceAllString(line, ""))
		}
	}
	return strings.Join(found, "")
}

var identityLabels = regexp.MustCompile(`,?(runner_name|service_name|service_version)="[^"]*"`)

func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	body := check.Value(io.ReadAll(res.Body))(t)
	return string(body)
}
