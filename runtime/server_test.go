package runtime_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
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

// An app that was shut down does not serve.
func TestShutdownBeforeRun(t *testing.T) {
	app := newEcho(settings(func(c *config.Config) { c.Tracing.Enabled = true }))
	check.OK(t, app.Shutdown(t.Context()))
	cannotRun(t, app)
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
		"flags": {runtime.WithSource(config.Source{Set: []config.Setting{setting(t, "http.host=127.0.0.1"), setting(t, fmt.Sprintf("http.port=%d", port))}}),
			"set another port, or 0 for a free one"},
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
func (broken) Close() error              { return nil }
func (broken) Addr() net.Addr            { return &net.TCPAddr{} }

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
