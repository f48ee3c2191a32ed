package runtime_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// cutting is a server whose grace is over at once, with the log of all that it
// did until Serve returned.
type cutting struct {
	*server
	stop context.CancelFunc
	done chan error
	log  *logBuffer
}

// cutters are the ways to a handler, each of which has to be found again at the
// end.
func cutters(t *testing.T) map[string]func(*testing.T, *runtime.Service, string) *cutting {
	t.Helper()
	cert, key := certify(t)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ssl := config.SSL{Enabled: true, CertFile: writePEM(t, "cert.pem", "CERTIFICATE", cert.Raw), KeyFile: writePEM(t, "key.pem", "PRIVATE KEY", der), CertReqs: 0}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return map[string]func(*testing.T, *runtime.Service, string) *cutting{
		"HTTP/1": func(t *testing.T, svc *runtime.Service, format string) *cutting {
			return cutter(t, svc, format, config.SSL{})
		},
		"traced": func(t *testing.T, svc *runtime.Service, format string) *cutting {
			return cutter(t, svc, format, config.SSL{}, runtime.WithTracerProvider(sdktrace.NewTracerProvider()))
		},
		"HTTP/2": func(t *testing.T, svc *runtime.Service, format string) *cutting {
			c := cutter(t, svc, format, ssl)
			c.url = strings.Replace(c.url, "http:", "https:", 1)
			c.http.Transport = &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
			return c
		},
	}
}

func cutter(t *testing.T, svc *runtime.Service, format string, ssl config.SSL, opts ...runtime.Option) *cutting {
	t.Helper()
	c := &cutting{log: &logBuffer{}, done: make(chan error, 1)}
	rt, err := runtime.New(svc, append(opts, runtime.WithLogger(slog.New(slog.NewTextHandler(c.log, nil))), settings(func(cfg *config.Config) {
		cfg.Shutdown.Grace, cfg.Logging.Format, cfg.SSL = 10*time.Millisecond, format, ssl
	}))...)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	c.stop = stop
	go func() { c.done <- rt.Serve(ctx, listener) }()
	c.server = &server{t: t, url: "http://" + listener.Addr().String(), http: &http.Client{Transport: &http.Transport{}}}
	return c
}

// end has Serve return, and gives what it has logged of a path by then, which is
// all that a program has which ends there.
func (c *cutting) end(path string) string {
	c.t.Helper()
	c.stop()
	if err := <-c.done; err == nil || !strings.HasPrefix(err.Error(), "shutdown.grace: 1 connections still had a request") {
		c.t.Errorf("got %v", err)
	}
	return c.lines(path)
}

func (c *cutting) lines(path string) string {
	var lines string
	for line := range strings.Lines(c.log.String()) {
		if strings.Contains(line, "path="+path) {
			lines += line
		}
	}
	return lines
}

// A request that the end of the grace cuts off has one line that says so, before
// Serve returns: whether its function heeds its context, takes its time to, or
// does not.
func TestCutOffIsLoggedSo(t *testing.T) {
	for host, cutter := range cutters(t) {
		for format, want := range map[string]string{
			"text":    `^time=\S+ level=WARN msg=request method=POST path=/PATH status=0 .* cut=true\n$`,
			"bentoml": `^time=\S+ level=WARN msg=".*path=/PATH,type=application/json,length=2\) \(status=0,type=,length=0\) [\d.]+ms.*" cut=true\n$`,
		} {
			for _, path := range []string{"heeds", "tidies", "wait"} {
				t.Run(host+", "+format+", "+path, func(t *testing.T) {
					g := newGate()
					svc := runtime.NewService("Slow")
					runtime.Handle(svc, "wait", g.wait)
					runtime.Handle(svc, "heeds", func(ctx context.Context, _ text) (string, error) {
						g.entered <- struct{}{}
						<-ctx.Done()
						return "", ctx.Err()
					})
					runtime.Handle(svc, "tidies", func(ctx context.Context, _ text) (string, error) {
						g.entered <- struct{}{}
						<-ctx.Done()
						time.Sleep(50 * time.Millisecond)
						return "late", nil
					})
					returned := make(chan struct{})
					svc.Use(func(next http.Handler) http.Handler {
						return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
							defer close(returned)
							next.ServeHTTP(w, r)
						})
					})
					c := cutter(t, svc, format)
					answered := make(chan error, 1)
					go func() {
						_, err := c.try("POST", "/"+path, "{}")
						answered <- err
					}()
					<-g.entered
					got := c.end("/" + path)
					if err := <-answered; err == nil {
						t.Error("it was answered")
					}
					if want := strings.Replace(want, "PATH", path, 1); !regexp.MustCompile(want).MatchString(got) {
						t.Errorf("got\n%s\nwant %s", got, want)
					}
					close(g.release)
					<-returned
					time.Sleep(5 * time.Millisecond) // another line would be written meanwhile
					if later := c.lines("/" + path); later != got {
						t.Errorf("when Serve returned there was\n%s\nand later\n%s", got, later)
					}
				})
			}
		}
	}
}

// An answer that is cut off in the middle has the status that was sent, what was
// sent of it, and a mark.
func TestCutAnswerIsLoggedSo(t *testing.T) {
	const size = 50 << 20
	for host, cutter := range cutters(t) {
		t.Run(host, func(t *testing.T) {
			svc := runtime.NewService("Large")
			runtime.Handle(svc, "large", func(context.Context, text) (string, error) { return strings.Repeat("x", size), nil })
			c := cutter(t, svc, "text")
			res, err := c.http.Post(c.url+"/large", "application/json", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			got := c.end("/large")
			want := regexp.MustCompile(`^time=\S+ level=WARN msg=request method=POST path=/large status=200 .* response_type="text/plain; charset=utf-8" response_bytes=(\d+) .* request_id=[0-9a-f]{16} .*cut=true\n$`)
			found := want.FindStringSubmatch(got)
			if found == nil {
				t.Fatalf("got\n%s\nwant %s", got, want)
			}
			if sent, _ := strconv.Atoi(found[1]); sent >= size || sent == 0 && res.ProtoMajor == 1 {
				t.Errorf("%d bytes were sent", sent)
			}
		})
	}
}
