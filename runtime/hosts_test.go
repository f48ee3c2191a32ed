package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// masked is the body of a response that hides an error.
const masked = `{"error":"An unexpected error has occurred, please check the server log."}`

// host is a way to serve an app in a synctest bubble. inline says that functions run
// inline, as on HTTP/1.
type host struct {
	name   string
	start  func(*testing.T, *runtime.App) *server
	inline bool
}

var hosts = []host{
	{"own", servePipe, true}, {"mux", foreignPipe, true}, {"h2c", serveH2C, false}, {"direct", direct, false},
	{"hidden", hiddenPipe, false},
}

// bubbles runs a test with each host, each in its own bubble.
func bubbles(t *testing.T, run func(*testing.T, host)) {
	t.Helper()
	for _, host := range hosts {
		t.Run(host.name, func(t *testing.T) {
			hangs(t)
			synctest.Test(t, func(t *testing.T) { run(t, host) })
		})
	}
}

// servePipe serves an app on pipes.
func servePipe(t *testing.T, app *runtime.App) *server { return serveOn(t, app, newPipes()) }

// serveH2C is servePipe with an HTTP/2 client. The configuration must have
// http.h2c.
func serveH2C(t *testing.T, app *runtime.App) *server {
	s := servePipe(t, app)
	s.http.Transport.(*http.Transport).Protocols = new(http.Protocols)
	s.http.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	return s
}

// foreignPipe serves an app with a server and mux of the test, on pipes.
func foreignPipe(t *testing.T, app *runtime.App) *server {
	mux := http.NewServeMux()
	mux.Handle("/", handler(t, app))
	return foreignPipes(t, mux)
}

// hiddenPipe is foreignPipe with a handler around the app that hides all methods of
// the writer but those of a ResponseWriter.
func hiddenPipe(t *testing.T, app *runtime.App) *server {
	h := handler(t, app)
	return foreignPipes(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
	}))
}

func foreignPipes(t *testing.T, h http.Handler) *server {
	host, listener := &http.Server{Handler: h}, newPipes()
	return start(t, listener, func() { _ = host.Shutdown(context.Background()) }, func() error {
		if err := host.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

// pipes is a listener in memory.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newPipes() *pipes {
	return &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accepted:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.accepted <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// direct serves an app by calls of its handler, without a server.
func direct(t *testing.T, app *runtime.App) *server {
	return &server{t: t, url: "http://direct", http: &http.Client{Transport: recorded{handler(t, app)}}}
}

type recorded struct{ http.Handler }

func (h recorded) RoundTrip(r *http.Request) (*http.Response, error) {
	w, at := httptest.NewRecorder(), r.Clone(r.Context())
	at.RequestURI, at.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:1234"
	if at.Body == nil {
		at.Body = http.NoBody
	}
	if aborts(func() { h.ServeHTTP(w, at) }) {
		return nil, http.ErrAbortHandler
	}
	return w.Result(), nil
}

// aborts reports whether a handler aborted with http.ErrAbortHandler.
func aborts(serve func()) (aborted bool) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			aborted = true
		} else if p != nil {
			panic(p)
		}
	}()
	serve()
	return false
}

// traffic sets the limits of the entry service, and lets hosts use HTTP/2.
func traffic(timeout time.Duration, most int) runtime.Option {
	return settings(func(c *config.Config) {
		c.HTTP.H2C, c.Traffic = true, limits(timeout, most)
	})
}

// newEcho makes an app with two APIs.
func newEcho(opts ...runtime.Option) *runtime.App {
	app := newApp("Echo", opts...)
	runtime.Handle(app, "echo", func(_ context.Context, in text) (string, error) {
		switch in.Text {
		case "boom":
			return "", errors.New("secret: boom")
		case "panic":
			panic("secret: panic")
		case "teapot":
			return "", runtime.Errorf(http.StatusTeapot, "no coffee")
		case "wrapped":
			return "", fmt.Errorf("outer: %w", &runtime.Error{Status: 409, Message: "taken", Detail: []int{1}})
		case "odd":
			return "", runtime.Errorf(202, "secret: not an error")
		}
		return strings.ToUpper(in.Text), nil
	})
	runtime.Handle(app, "lengths", func(_ context.Context, in struct {
		Texts []string `json:"texts"`
	}) ([]int, error) {
		lengths := []int{}
		for _, s := range in.Texts {
			lengths = append(lengths, len(s))
		}
		return lengths, nil
	}, runtime.Route("/v1/lengths"))
	return app
}

// flushing is middleware that wraps the writer and can flush.
func flushing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(struct {
			http.ResponseWriter
			http.Flusher
		}{w, w.(http.Flusher)}, r)
	})
}

// buffering is middleware that sends the response after its handler has returned.
func buffering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buffer := httptest.NewRecorder()
		next.ServeHTTP(buffer, r)
		for name, values := range buffer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(buffer.Code)
		_, _ = w.Write(buffer.Body.Bytes())
	})
}

// compressing is middleware that compresses responses of at least size bytes.
func compressing(size int) func(http.Handler) http.Handler {
	wrapper, err := gzhttp.NewWrapper(gzhttp.MinSize(size))
	if err != nil {
		panic(err)
	}
	return func(next http.Handler) http.Handler { return wrapper(next) }
}

// spy is middleware that records the status of each response.
type spy struct {
	mu   sync.Mutex
	seen []int
}

func (s *spy) use(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&spied{w, s}, r)
	})
}

func (s *spy) statuses() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

type spied struct {
	http.ResponseWriter
	spy *spy
}

func (w *spied) WriteHeader(status int) {
	w.spy.mu.Lock()
	w.spy.seen = append(w.spy.seen, status)
	w.spy.mu.Unlock()
	w.ResponseWriter.WriteHeader(status)
}

var around = map[string]func(http.Handler) http.Handler{
	"plain": nil, "without Flush": wrap, "flushing": flushing, "buffering": buffering,
	"compressing": compressing(1), "compressing from 1 kB": compressing(gzhttp.DefaultMinSize),
}
