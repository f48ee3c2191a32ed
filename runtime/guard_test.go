package runtime_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"golang.org/x/crypto/bcrypt"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

func perClient(limits config.PerClient) runtime.Option {
	return settings(func(c *config.Config) {
		c.Traffic.PerClient, c.HTTP.Proxies.Trusted = limits, []string{"127.0.0.1"}
	})
}

// A client has its own number of requests at once, whatever connections they come on.
func TestPerClientConcurrency(t *testing.T) {
	gate := newGate()
	app := newApp("Gate", perClient(config.PerClient{MaxConcurrency: 1}))
	runtime.Handle(app, "wait", gate.wait)
	s := serve(t, app)
	running := make(chan answer, 2)
	call := func(client string) { running <- s.do("POST", "/wait", "{}", "X-Forwarded-For", client) }
	go call("1.1.1.1")
	<-gate.entered
	refused := s.do("POST", "/wait", "{}", "X-Forwarded-For", "1.1.1.1")
	refused.want(t, 429, `{"error":"Too many requests"}`).has(t, "Retry-After", "1")
	go call("2001:db8::1")
	<-gate.entered
	s.do("POST", "/wait", "{}", "X-Forwarded-For", "2001:db8::2").want(t, 429, refused.body)
	s.do("GET", "/livez", "", "X-Forwarded-For", "1.1.1.1").want(t, 200, "\n")
	close(gate.release)
	for range 2 {
		(<-running).want(t, 200, "late")
	}
	s.do("POST", "/wait", "{}", "X-Forwarded-For", "1.1.1.1").want(t, 200, "late")
	check.Contains(t, s.samples("traffic_refused", `"client"`), "} 2.0\n")
	check.Contains(t, s.samples("request_total", "/wait", "429"), "} 2.0\n")
}

// A client has its place again when its 504 is sent, although the function runs on.
func TestPerClientAfterTimeout(t *testing.T) {
	gate := newGate()
	app := newApp("Gate", perClient(config.PerClient{MaxConcurrency: 1}))
	runtime.Handle(app, "wait", gate.wait, runtime.Timeout(100*time.Millisecond))
	runtime.Handle(app, "echo", func(_ context.Context, in text) (string, error) { return in.Text, nil })
	s := serve(t, app)
	s.do("POST", "/wait", "{}", "X-Forwarded-For", "1.1.1.1").want(t, 504, `{"error":"Not able to process the request in 0.1 seconds"}`)
	s.do("POST", "/echo", "{}", "X-Forwarded-For", "1.1.1.1").want(t, 200, "hello")
	close(gate.release)
}

// A client has its own rate. Probes and /metrics have none, documents and unknown paths have.
func TestPerClientRate(t *testing.T) {
	app := newApp("Echo", perClient(config.PerClient{Rate: 0.01, Burst: 2}))
	runtime.Handle(app, "echo", func(_ context.Context, in text) (string, error) { return in.Text, nil })
	app.Mount("/files", http.NotFoundHandler())
	s := serve(t, app)
	s.post("/echo", "{}").want(t, 200, "hello")
	s.do("GET", "/schema.json", "")
	for _, path := range []string{"/echo", "/schema.json", "/nowhere", "/files/x"} {
		got := s.do("GET", path, "")
		if got.status != 429 || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: got %v", path, got)
		}
	}
	for range 5 {
		s.do("GET", "/readyz", "").want(t, 200, "\n")
		if s.page() == "" {
			t.Error("/metrics is empty")
		}
	}
	s.do("POST", "/echo", "{}", "X-Forwarded-For", "1.1.1.1").want(t, 200, "hello")
}

// A request that is refused gets its response at once, whether its body comes or not.
func TestRefusedAtOnce(t *testing.T) {
	for _, path := range []string{"/echo", "/files/x"} {
		synctest.Test(t, func(t *testing.T) {
			app := newEcho(settings(func(c *config.Config) { c.HTTP.Auth.BearerTokens = config.NewSecret("a") }))
			app.Mount("/files", http.NotFoundHandler())
			listener := newPipes()
			s := serveOn(t, app, listener)
			conn, began := s.dial(), time.Now()
			_, _ = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
			response := check.Value(http.ReadResponse(bufio.NewReader(conn), nil))(t)
			if took := time.Since(began); took > 0 || response.StatusCode != 401 || !response.Close {
				t.Errorf("%s: got %s after %s, closing: %t", path, response.Status, took, response.Close)
			}
			check.OK(t, response.Body.Close(), conn.Close(), s.end())
		})
	}
}

// withTokens makes an app whose requests need a token of a file.
func withTokens(t *testing.T, file, more string, opts ...runtime.Option) *runtime.App {
	t.Helper()
	source := config.Source{File: filepath.Join(t.TempDir(), "ekiben.yaml")}
	check.Must(t, os.WriteFile(source.File, []byte("shutdown: {idle: 0}\nhttp: {auth: {bearer_tokens_file: "+file+"}}\n"+more), 0o600))
	app := runtime.New("Echo", append([]runtime.Option{runtime.WithSource(source)}, opts...)...)
	runtime.Handle(app, "echo", func(_ context.Context, in text) (string, error) { return in.Text, nil })
	app.Mount("/files", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "file") }))
	return app
}

// Without a token, nothing but probes and /metrics responds. A token of the file, which may have
// changed, lets a request in. Neither logs nor spans have it.
func TestBearer(t *testing.T) {
	const one, other = "token-ONE", "token-TWO"
	file := filepath.Join(t.TempDir(), "tokens")
	check.Must(t, os.WriteFile(file, []byte(one+"\n"), 0o600))
	var log logBuffer
	recorded := tracetest.NewSpanRecorder()
	app := withTokens(t, file, "tracing: {enabled: true}\n", runtime.WithLogger(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		runtime.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded))))
	s := serve(t, app)
	for _, path := range []string{"/echo", "/files/x", "/schema.json", "/docs.json", "/", "/nowhere"} {
		for _, sent := range []string{"", "Bearer x", "Basic x", "Bearer " + other} {
			s.do("POST", path, "{}", "Authorization", sent).want(t, 401, `{"error":"Unauthorized"}`).has(t, "Www-Authenticate", `Bearer realm="Echo"`)
		}
	}
	s.do("GET", "/readyz", "").want(t, 200, "\n")
	check.Contains(t, s.samples("traffic_refused", `"auth"`), "} 24.0\n")
	check.Contains(t, s.samples("request_total", `"/echo"`, "401"), "} 4.0\n")
	s.do("POST", "/echo", "{}", "Authorization", "Bearer "+one).want(t, 200, "hello")
	s.do("GET", "/files/x", "", "Authorization", "Bearer "+one).want(t, 200, "file")
	check.Must(t, os.WriteFile(file, []byte(one+"\n"+other+"\n"), 0o600), app.Reload())
	s.do("POST", "/echo", "{}", "Authorization", "Bearer "+one).want(t, 200, "hello")
	s.do("POST", "/echo", "{}", "Authorization", "Bearer "+other).want(t, 200, "hello")
	check.Must(t, os.WriteFile(file, nil, 0o600))
	if err := app.Reload(); err == nil {
		t.Error("an empty file was accepted")
	}
	s.do("POST", "/echo", "{}").want(t, 401, `{"error":"Unauthorized"}`)
	check.Must(t, os.WriteFile(file, []byte(other+"\n"), 0o600), app.Reload())
	s.do("POST", "/echo", "{}", "Authorization", "Bearer "+one).want(t, 401, `{"error":"Unauthorized"}`)
	s.do("POST", "/echo", "{}", "Authorization", "Bearer "+other).want(t, 200, "hello")
	shown := log.String() + fmt.Sprintf("%+v", app.Config())
	for _, span := range recorded.Ended() {
		shown += fmt.Sprint(span.Name(), span.Attributes(), span.Events(), span.Status())
	}
	if strings.Contains(shown, one) || strings.Contains(shown, other) || !strings.Contains(shown, "/echo") {
		t.Errorf("a token is shown, or nothing is:\n%s", shown)
	}
}

// Of many wrong passwords at once, some are compared, and the others are a 429. A right one passes
// afterwards.
func TestManyPasswords(t *testing.T) {
	hash := string(check.Value(bcrypt.GenerateFromPassword([]byte("right"), 6))(t)) // takes about 4 ms
	app := newEcho(settings(func(c *config.Config) { c.HTTP.Auth.BasicUsers = config.NewSecret("ann:" + hash) }))
	s := serve(t, app)
	var all sync.WaitGroup
	var denied, busy atomic.Int32
	for range 300 {
		all.Go(func() {
			r, _ := http.NewRequestWithContext(t.Context(), "POST", s.url+"/echo", strings.NewReader("{}"))
			r.SetBasicAuth("ann", "wrong")
			response, err := s.http.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			_ = response.Body.Close()
			switch {
			case response.StatusCode == 401 && response.Header.Get("Www-Authenticate") != "":
				denied.Add(1)
			case response.StatusCode == 429 && response.Header.Get("Retry-After") == "1":
				busy.Add(1)
			default:
				t.Errorf("%d %v", response.StatusCode, response.Header)
			}
		})
	}
	all.Wait()
	if denied.Load() < 64 || busy.Load() == 0 {
		t.Errorf("%d requests were denied, %d were too many", denied.Load(), busy.Load())
	}
	right := base64.StdEncoding.EncodeToString([]byte("ann:right"))
	s.do("POST", "/echo", "{}", "Authorization", "Basic "+right).want(t, 200, "HELLO")
}

// A 401 comes before the body, takes no slot, and leaves CORS as it is: a preflight passes, and a
// script can read the status.
func TestAuthFirst(t *testing.T) {
	hash := check.Value(bcrypt.GenerateFromPassword([]byte("pass"), bcrypt.MinCost))(t)
	gate := newGate()
	app := newApp("Gate", settings(func(c *config.Config) {
		c.HTTP.Auth.BasicUsers = config.NewSecret("ann:" + string(hash))
		c.HTTP.CORS = config.CORS{Enabled: true, AllowOrigins: []string{"https://a.example"}, AllowMethods: []string{"POST"}, AllowHeaders: []string{"Authorization"}}
		c.Traffic.MaxConcurrency = 1
	}))
	runtime.Handle(app, "wait", gate.wait)
	s := serve(t, app)
	done := make(chan answer, 1)
	request := check.Value(http.NewRequest(http.MethodPost, s.url+"/wait", strings.NewReader("{}")))(t)
	request.SetBasicAuth("ann", "pass")
	go func() {
		response, err := s.http.Do(request)
		if err != nil {
			done <- answer{body: err.Error()}
			return
		}
		done <- answer{status: response.StatusCode}
		_ = response.Body.Close()
	}()
	<-gate.entered // it has the slot
	got := s.do("POST", "/wait", "{}", "Origin", "https://a.example").want(t, 401, `{"error":"Unauthorized"}`)
	got.has(t, "Www-Authenticate", `Basic realm="Gate", charset="UTF-8"`, "Access-Control-Allow-Origin", "https://a.example")
	conn := s.dial()
	_, _ = io.WriteString(conn, "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
	check.Contains(t, string(check.Value(io.ReadAll(conn))(t)), "HTTP/1.1 401")
	_ = conn.Close()
	s.do("OPTIONS", "/wait", "", "Origin", "https://a.example", "Access-Control-Request-Method", "POST").want(t, 200, "")
	s.do("OPTIONS", "/wait", "").want(t, 401, got.body)
	close(gate.release)
	check.Equal(t, (<-done).status, 200)
}

// A server that the user built has the guards too. Without any, a request passes none.
func TestGuardsOfHandler(t *testing.T) {
	h := handler(t, newEcho(settings(func(c *config.Config) { c.HTTP.Auth.BearerTokens = config.NewSecret("a") })))
	for sent, want := range map[string]int{"": 401, "Bearer a": 200} {
		r := httptest.NewRequest(http.MethodPost, "/echo", bytes.NewReader([]byte(`{"text":"a"}`)))
		r.Header.Set("Authorization", sent)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		check.Equal(t, w.Code, want)
	}
}
