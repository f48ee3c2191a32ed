package runtime_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

func loopback(port int) runtime.Option {
	return settings(func(c *config.Config) { c.HTTP.Host, c.HTTP.Port = "127.0.0.1", port })
}

// run runs an app on its configured address, and returns when it listens.
func run(t *testing.T, app *runtime.App, log *awaited) *server {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := start(t, nil, stop, func() error { return app.Run(ctx) })
	log.await("msg=serving ")
	s.url = "http://" + app.Addr().String()
	return s
}

// Run serves until its context ends. A second Run or Serve returns an error, also with
// the same port, and does not disturb the first one.
func TestRun(t *testing.T) {
	for name, taken := range map[string]bool{"another port": false, "the same port": true} {
		t.Run(name, func(t *testing.T) {
			log, logger := newAwaited(t)
			port := 0
			if taken {
				listener := listen(t)
				port = listener.Addr().(*net.TCPAddr).Port
				_ = listener.Close()
			}
			app := newEcho(loopback(port), logger)
			if app.Addr() != nil {
				t.Errorf("it listens on %v before Run", app.Addr())
			}
			s := run(t, app, log)
			if got := app.Addr().(*net.TCPAddr); got.Port == 0 || taken && got.Port != port || !strings.Contains(log.String(), "address=http://"+got.String()) {
				t.Errorf("it listens on %s:\n%s", got, log.String())
			}
			second := newPipes()
			for method, err := range map[string]error{"Run": app.Run(ended()), "Serve": app.Serve(ended(), second)} {
				if err == nil || err.Error() != servedAlready {
					t.Errorf("a second %s: %v", method, err)
				}
			}
			<-second.closed
			s.do("GET", "/readyz", "").want(t, 200, "\n")
			s.post("/echo", `{"text":"a"}`).want(t, 200, "A")
			if s.samples("request_total", "/echo", "200") != "bentoml_service_request_total{endpoint=\"/echo\",http_response_code=\"200\"} 1.0\n" {
				t.Errorf("/metrics: %s", s.page())
			}
			check.OK(t, s.end())
			cannotRun(t, app)
		})
	}
}

// The error for a port in use says how to choose another port.
func TestTakenPort(t *testing.T) {
	port := listen(t).Addr().(*net.TCPAddr).Port
	for name, test := range map[string]struct {
		option runtime.Option
		want   string
	}{
		"code": {loopback(port), "this program reads no configuration: set another port with runtime.WithConfig, or let it read one with runtime.WithSource(config.FromEnvironment())"},
		"variables": {runtime.WithSource(config.Source{Environ: []string{"EKIBEN_HTTP__HOST=127.0.0.1", fmt.Sprintf("EKIBEN_HTTP__PORT=%d", port)}}),
			"set another port, EKIBEN_HTTP__PORT=3001, or 0 for a free one"},
		"flags": {runtime.WithSource(config.Source{Environ: []string{}, Set: []config.Setting{setting(t, "http.host=127.0.0.1"), setting(t, fmt.Sprintf("http.port=%d", port))}}),
			"set another port, --set http.port=3001, or 0 for a free one"},
		"a flag of its own": {runtime.WithSource(config.Source{Environ: []string{}, Set: []config.Setting{setting(t, "http.host=127.0.0.1"), {Key: "http.port", Value: strconv.Itoa(port), From: "--port"}}}),
			"set another port, --port 3001, or 0 for a free one"},
	} {
		t.Run(name, func(t *testing.T) {
			err := newEcho(test.option).Run(t.Context())
			want := fmt.Sprintf("http.port: 127.0.0.1:%d is taken by another program; %s: listen tcp 127.0.0.1:%d: bind: address already in use", port, test.want, port)
			check.Error(t, err, want)
		})
	}
	err := newEcho(settings(func(c *config.Config) { c.HTTP.Host = "192.0.2.1" })).Run(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "http.host, http.port: cannot listen on 192.0.2.1:3000: ") {
		t.Errorf("got %v", err)
	}
}

func setting(t *testing.T, text string) config.Setting {
	t.Helper()
	parsed := check.Value(config.ParseSetting("--set", text))(t)
	return parsed
}

// A listener that fails ends Serve with its error.
func TestListenerFails(t *testing.T) {
	err := newEcho().Serve(t.Context(), broken{})
	check.Error(t, err, "serving: no more sockets")
}

type broken struct{ net.Listener }

func (broken) Accept() (net.Conn, error) { return nil, fmt.Errorf("no more sockets") }

func (broken) Close() error { return nil }

func (broken) Addr() net.Addr { return &net.TCPAddr{} }

// A configuration with a certificate serves HTTPS.
func TestTLS(t *testing.T) {
	known := httptest.NewTLSServer(nil) // for its certificate
	known.Close()
	pair := known.TLS.Certificates[0]
	key := check.Value(x509.MarshalPKCS8PrivateKey(pair.PrivateKey))(t)
	file := filepath.Join(t.TempDir(), "cert.pem")
	blocks := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	check.Must(t, os.WriteFile(file, blocks, 0o600))
	s := serve(t, newEcho(settings(func(c *config.Config) { c.SSL = config.SSL{Enabled: true, CertFile: file} })))
	s.url = strings.Replace(s.url, "http:", "https:", 1)
	transport := s.http.Transport.(*http.Transport)
	transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	transport.TLSClientConfig.RootCAs.AddCert(known.Certificate())
	s.post("/echo", `{"text":"x"}`).want(t, 200, "X")
}

// While an app drains, /readyz is 503 on open connections, each response has
// "Connection: close", and the app waits for the running request.
func TestDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, app := newGate(), newApp("Drained", settings(func(c *config.Config) { c.Shutdown.Delay, c.Shutdown.Idle = 2*time.Second, time.Second }))
		runtime.Handle(app, "wait", g.wait)
		listener := newPipes()
		s := serveOn(t, app, listener)
		s.do("GET", "/readyz", "").want(t, 200, "\n")
		s.http.CloseIdleConnections()
		idle, responses := s.dial(), make(chan answer, 1)
		go func() { responses <- s.post("/wait", "{}") }()
		<-g.entered
		s.stop()
		synctest.Wait()
		began := time.Now()
		s.do("GET", "/readyz", "").want(t, 503, "draining\n") // on a new connection
		<-listener.closed
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("the listener was closed after %s", took)
		}
		go func() { _, _ = io.WriteString(idle, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n") }()
		probe, err := io.ReadAll(idle) // to its end: the app closes it
		if got := string(probe); err != nil || !strings.HasPrefix(got, "HTTP/1.1 503") || !strings.Contains(got, "Connection: close") {
			t.Errorf("got %q, %v", got, err)
		}
		close(g.release)
		(<-responses).want(t, 200, "late")
	})
}

// drainChild in the environment makes the test binary a server on the listener
// that it inherits.
const drainChild = "EKIBEN_TEST_DRAIN_CHILD"

func runDrainChild() int {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err == nil {
		app := runtime.New("Drained", runtime.WithConfig(config.Default()), runtime.WithLogger(quiet()))
		runtime.Handle(app, "work", func(_ context.Context, in text) (string, error) {
			time.Sleep(2 * time.Millisecond)
			return in.Text, nil
		})
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		fmt.Println("ready")
		err = app.Serve(ctx, listener)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// startChild starts a server process on listener and waits until it serves.
func startChild(t *testing.T, listener *os.File) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), drainChild+"=1")
	cmd.ExtraFiles = []*os.File{listener}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check.Must(t, errors.Join(err, cmd.Start()))
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// In twenty restarts with keep-alive clients, every request gets its response, and
// every process exits by itself.
func TestRestarts(t *testing.T) {
	const restarts, clients, between = 20, 4, 20
	listener := listen(t)
	file := check.Value(listener.File())(t)
	defer func() { _ = file.Close() }()
	url := "http://" + listener.Addr().String() + "/work"
	_ = listener.Close() // the processes share file
	current := startChild(t, file)
	end := func() {
		if err := errors.Join(current.Process.Signal(syscall.SIGTERM), current.Wait()); err != nil {
			t.Errorf("a drained process ended with %v", err)
		}
	}
	ended, responses := make(chan struct{}), make(chan struct{})
	var lost atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for {
				if err := work(client, url); err != nil {
					lost.Add(1)
					t.Errorf("lost: %v", err)
				}
				select {
				case responses <- struct{}{}:
				case <-ended:
					return
				default:
				}
			}
		})
	}
	for range restarts {
		for range between {
			<-responses
		}
		next := startChild(t, file)
		end()
		current = next
	}
	close(ended)
	all.Wait()
	end()
	t.Logf("%d restarts, %d requests lost", restarts, lost.Load())
}

// work makes a request that Go's client does not retry: a POST whose body cannot be
// read twice.
func work(client *http.Client, url string) error {
	res, err := client.Post(url, "application/json", struct{ io.Reader }{strings.NewReader(`{"text":"kept"}`)})
	if err != nil {
		return err
	}
	body, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || string(body) != "kept" {
		return fmt.Errorf("got %d %q", res.StatusCode, body)
	}
	return nil
}
