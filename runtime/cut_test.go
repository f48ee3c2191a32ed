package runtime_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A request that the end of the grace cuts off has a line that says so, whether
// its function heeds its context or not.
func TestCutOffIsLoggedSo(t *testing.T) {
	for format, want := range map[string]string{
		"text":    "level=WARN msg=request method=POST path=/PATH status=0 ",
		"bentoml": `path=/PATH,type=application/json,length=2) (status=0,type=`,
	} {
		for _, path := range []string{"heeds", "wait"} {
			t.Run(format+", "+path, func(t *testing.T) {
				g := newGate()
				svc := runtime.NewService("Slow")
				runtime.Handle(svc, "wait", g.wait)
				runtime.Handle(svc, "heeds", func(ctx context.Context, _ text) (string, error) {
					g.entered <- struct{}{}
					<-ctx.Done()
					return "", ctx.Err()
				})
				var log logBuffer
				rt, err := runtime.New(svc, runtime.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))), settings(func(c *config.Config) {
					c.Shutdown.Grace, c.Logging.Format = 10*time.Millisecond, format
				}))
				if err != nil {
					t.Fatal(err)
				}
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- rt.Serve(ctx, listener) }()
				s := &server{t: t, url: "http://" + listener.Addr().String(), http: &http.Client{Transport: &http.Transport{}}}
				answered := make(chan error, 1)
				go func() {
					_, err := s.try("POST", "/"+path, "{}")
					answered <- err
				}()
				<-g.entered
				stop()
				if err := <-done; err == nil || !strings.HasPrefix(err.Error(), "shutdown.grace: 1 connections still had a request") {
					t.Errorf("got %v", err)
				}
				if err := <-answered; err == nil {
					t.Error("it was answered")
				}
				close(g.release)
				want := strings.Replace(want, "PATH", path, 1)
				eventually(t, "its line", func() bool { return strings.Contains(log.String(), "path=/"+path) })
				if got := log.String(); !strings.Contains(got, want) || strings.Contains(got, "status=200") {
					t.Errorf("got\n%s\nwant %s", got, want)
				}
			})
		}
	}
}
