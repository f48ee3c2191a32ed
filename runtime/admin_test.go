package runtime_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	_ "github.com/ekiben-serving/ekiben/exporters/prometheus/webconfig" // admin.web_config_file
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/linked"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// adminOn are settings with an admin door at a free port, and with other changes.
func adminOn(changes ...func(*config.Config)) runtime.Option {
	return settings(func(c *config.Config) {
		c.Admin.Enabled, c.Admin.Port = true, 0
		for _, change := range changes {
			change(c)
		}
	})
}

// admin returns a client of the admin door, which is open when the public one responds.
func (s *server) admin(app *runtime.App) *server {
	s.t.Helper()
	s.do("GET", "/livez", "")
	transport := &http.Transport{}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &server{t: s.t, url: "http://" + app.AdminAddr().String(), http: &http.Client{Transport: transport, Timeout: patience}}
}

// The admin door has the records of slow requests, which the public one has not.
func TestAdminSlowRequests(t *testing.T) {
	app := newEcho(adminOn(func(c *config.Config) { c.Slow.Objective = time.Millisecond }), runtime.WithLogger(quiet()))
	runtime.Handle(app, "nap", func(context.Context, struct{}) (int, error) { time.Sleep(5 * time.Millisecond); return 1, nil })
	s := serve(t, app)
	s.post("/nap", "{}").want(t, 200, "1")
	admin := s.admin(app)
	check.Contains(t, admin.do("GET", "/debug/slow", "").body, `"endpoint": "/nap"`)
	check.Contains(t, admin.do("GET", "/debug/slow?trace_id="+strings.Repeat("0", 32), "").body, `"requests": []`)
	s.do("GET", "/debug/slow", "").want(t, 404, "Not Found")
}

// The admin door has metrics, probes and the page, without a prefix and without APIs. Its
// requests are neither measured nor logged, and bypass middleware.
func TestAdmin(t *testing.T) {
	log, logger := newAwaited(t)
	app := newEcho(adminOn(func(c *config.Config) { c.HTTP.PathPrefix = "/ml" }), logger)
	app.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Through", "middleware")
			next.ServeHTTP(w, r)
		})
	})
	s := serve(t, app)
	admin := s.admin(app)
	log.await("msg=serving")
	check.Contains(t, log.String(), "admin=http://127.0.0.1:")
	s.post("/ml/echo", `{"text":"x"}`).want(t, 200, "X").has(t, "Through", "middleware")
	log.reset()
	for _, path := range []string{"/livez", "/healthz", "/readyz"} {
		admin.do("GET", path, "").want(t, 200, "\n").has(t, "Through", "", "X-BentoML-Request-ID", "")
	}
	admin.post("/echo", `{"text":"x"}`).want(t, 404, "Not Found")
	admin.do("GET", "/ml/metrics", "").want(t, 404, "Not Found")
	admin.do("GET", "/debug/pprof/heap", "").want(t, 404, "Not Found")
	if got := admin.do("GET", "/", ""); got.body != "Echo (not available)\n\nGET /debug/slow\nGET /healthz\nGET /livez\nGET /metrics\nGET /readyz\n" {
		t.Error(got.body)
	}
	page := admin.do("GET", "/", "", "Accept", "text/html")
	check.Contains(t, page.body, `<meta name="door" content="admin">`, `<meta name="metrics" content="here">`, `id="tiles"`)
	for _, part := range []string{"static_content/page.js", "static_content/uPlot.css", "schema.json", "docs.json", "metrics"} { // what it loads
		if got := admin.do("GET", "/"+part, ""); got.status != 200 || got.body == "" {
			t.Errorf("%s: %d", part, got.status)
		}
	}
	check.Equal(t, log.String(), "")
	check.Equal(t, admin.samples("request_total", "} 1.0"), "bentoml_service_request_total{endpoint=\"/ml/echo\",http_response_code=\"200\"} 1.0\nbentoml_service_request_total{endpoint=\"unmatched\",http_response_code=\"404\"} 1.0\n") // the latter of s.admin
	if got := s.do("GET", "/ml/metrics", ""); got.status != 200 {
		t.Error(got)
	}
}

// Without admin.enabled there is no second address. With metrics.public false, only the
// admin door has the metrics.
func TestAdminOff(t *testing.T) {
	app := newEcho(settings(nil))
	s := serve(t, app)
	s.do("GET", "/livez", "").want(t, 200, "\n")
	if app.AdminAddr() != nil {
		t.Error(app.AdminAddr())
	}
	log, logger := newAwaited(t)
	hidden := newEcho(adminOn(func(c *config.Config) { c.Metrics.Public, c.HTTP.Page = false, false }), logger)
	s = serve(t, hidden)
	admin := s.admin(hidden)
	log.await("msg=serving")
	if strings.Contains(log.String(), "GET /metrics") || strings.Contains(log.String(), "notice") {
		t.Error(log)
	}
	s.do("GET", "/metrics", "").want(t, 404, "Not Found")
	admin.do("GET", "/schema.json", "").want(t, 200, admin.do("GET", "/schema.json", "").body)
	admin.do("GET", "/static_content/page.js", "").want(t, 404, "Not Found")
	check.Contains(t, admin.page(), "bentoml_service_request_total")
	nowhere := direct(t, newEcho(settings(func(c *config.Config) { c.Metrics.Public = false }), logger))
	nowhere.do("GET", "/metrics", "").want(t, 404, "Not Found")
	check.Contains(t, log.String(), `key=metrics.public notice="is false, and nothing else shows the metrics`)
	check.Contains(t, nowhere.do("GET", "/", "", "Accept", "text/html").body, "metrics.public")
}

// The admin door is open before the services start, and until the public door is closed and
// the services have stopped. The last scrape sees the last request.
func TestAdminLife(t *testing.T) {
	starting, started, stopping, stopped := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	app := newEcho(adminOn())
	app.OnStart(func(context.Context) error { close(starting); <-started; return nil })
	app.OnStop(func(context.Context) error { close(stopping); <-stopped; return nil })
	s := serve(t, app)
	<-starting
	admin := s.admin(app)
	admin.do("GET", "/readyz", "").want(t, 503, "starting\n")
	admin.do("GET", "/livez", "").want(t, 200, "\n")
	check.Contains(t, admin.page(), "bentoml_service_request_total")
	close(started)
	for s.do("GET", "/readyz", "").status != 200 {
	}
	s.post("/echo", `{"text":"last"}`).want(t, 200, "LAST")
	s.stop()
	<-stopping
	if got, err := s.try("GET", "/livez", ""); err == nil && got.header.Get("X-Bentoml-Request-Id") != "" { // else another program has the port
		t.Error("the public door is open after the drain")
	}
	admin.do("GET", "/readyz", "").want(t, 503, "draining\n")
	check.Equal(t, admin.samples("request_total", `"/echo"`, "} 1.0"), "bentoml_service_request_total{endpoint=\"/echo\",http_response_code=\"200\"} 1.0\n")
	close(stopped)
	check.OK(t, s.end())
	if got, err := admin.try("GET", "/livez", ""); err == nil {
		t.Errorf("the admin door is open after the end: %v", got)
	}
}

// A profile that runs does not delay the end for ever.
func TestAdminProfiles(t *testing.T) {
	app := newEcho(adminOn(func(c *config.Config) { c.Admin.Profiles = true }))
	s := serve(t, app)
	admin := s.admin(app)
	check.Contains(t, admin.do("GET", "/debug/pprof/", "").body, "heap\n", "profile?seconds=30\n")
	if got := admin.do("GET", "/debug/pprof/heap", ""); got.status != 200 || !strings.HasPrefix(got.body, "\x1f\x8b") {
		t.Errorf("got %d %q", got.status, got.body)
	}
	s.do("GET", "/debug/pprof/heap", "").want(t, 404, "Not Found")
	recording := check.Value(admin.http.Get(admin.url + "/debug/pprof/profile?seconds=600"))(t)
	check.Equal(t, admin.do("GET", "/debug/pprof/profile", "").status, http.StatusConflict)
	if err := s.end(); err != nil && !strings.HasPrefix(err.Error(), "admin: given up") {
		t.Error(err)
	}
	if _, err := io.ReadAll(recording.Body); err == nil {
		t.Error("it was recorded to its end")
	}
	check.OK(t, recording.Body.Close())
}

// The limits of slow clients hold: a connection whose request does not end is closed.
func TestAdminSlowClient(t *testing.T) {
	app := newEcho(adminOn(func(c *config.Config) { c.HTTP.Limits.HeaderTimeout = time.Second }))
	serve(t, app)
	for late := time.Now().Add(patience); app.AdminAddr() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the admin door does not open")
		}
	}
	conn := check.Value(net.Dial("tcp", app.AdminAddr().String()))(t)
	check.Must(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: x\r\n")
	check.Must(t, err)
	if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays open")
	}
	check.OK(t, conn.Close())
}

// An address that cannot be opened is an error that names admin's keys. Nothing is served
// then, and both doors are closed.
func TestAdminPortTaken(t *testing.T) {
	taken, public := listen(t), listen(t)
	port := taken.Addr().(*net.TCPAddr).Port
	app := newEcho(adminOn(func(c *config.Config) { c.Admin.Port = port }))
	err := app.Serve(t.Context(), public)
	if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("admin.port: 127.0.0.1:%d is taken by another program; ", port)) {
		t.Errorf("got %v", err)
	}
	if _, err := public.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if app.AdminAddr() != nil {
		t.Error("it has an address")
	}
}

// webConfig writes a web configuration file with TLS and a user, and returns the authority
// of its certificate.
func webConfig(t *testing.T) (file string, of *authority) {
	t.Helper()
	of = newAuthority(t)
	files := folder{t, t.TempDir()}
	cert, key := of.issue("admin")
	files.inPlace(0, cert, key)
	hash := check.Value(bcrypt.GenerateFromPassword([]byte("s3cret"), bcrypt.MinCost))(t)
	file = filepath.Join(files.dir, "web.yml")
	put(t, file, fmt.Sprintf("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {prometheus: '%s'}\nhttp_server_config: {headers: {X-Frame-Options: deny}}\n", hash))
	return file, of
}

// With a web configuration file, the admin door has TLS and asks for a password; the public
// door does not change.
func TestAdminWebConfig(t *testing.T) {
	file, of := webConfig(t)
	app := newEcho(adminOn(func(c *config.Config) { c.Admin.WebConfigFile = file }))
	s := serve(t, app)
	admin := s.admin(app)
	admin.url = strings.Replace(admin.url, "http:", "https:", 1)
	for _, h2 := range []bool{false, true} {
		admin.http = of.client(h2, true)
		admin.do("GET", "/metrics", "").want(t, 401, "Unauthorized\n")
		admin.do("GET", "/livez", "", "Authorization", basic("prometheus", "wrong")).want(t, 401, "Unauthorized\n")
		admin.do("GET", "/livez", "", "Authorization", basic("prometheus", "s3cret")).want(t, 200, "\n").has(t, "X-Frame-Options", "deny")
	}
	plain := s.admin(app)
	check.Equal(t, plain.do("GET", "/livez", "", "Authorization", basic("prometheus", "s3cret")).status, http.StatusBadRequest)
	s.do("GET", "/metrics", "").has(t, "X-Frame-Options", "")
	if conn, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "http://"), &tls.Config{MinVersion: tls.VersionTLS12}); err == nil {
		t.Errorf("the public door has TLS: %v", conn.Close())
	}
}

func basic(user, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

// A web configuration with an error, and a program without the packages that serve it or the
// profiles, are errors at start.
func TestAdminErrors(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "web.yml")
	put(t, broken, "tls_server_config: {cert_file: none.pem, key_file: none.pem}\n")
	app := func() *runtime.App {
		return newEcho(adminOn(func(c *config.Config) { c.Admin.WebConfigFile, c.Admin.Profiles = broken, true }))
	}
	if err := app().Check(); err == nil || !strings.HasPrefix(err.Error(), "admin.web_config_file: "+broken+": ") || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("got %v", err)
	}
	defer linked.WebConfig.Remove()()
	defer linked.Profiles.Remove()()
	check.Error(t, app().Check(), `admin.web_config_file: needs a package that this program does not link; add: import _ "github.com/ekiben-serving/ekiben/exporters/prometheus/webconfig"
admin.profiles: needs a package that this program does not link; add: import _ "github.com/ekiben-serving/ekiben/runtime/profiles"`)
}
