package runtime_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// put replaces a file by a rename.
func put(t *testing.T, file, content string) {
	t.Helper()
	check.Must(t, os.WriteFile(file+".new", []byte(content), 0o600))
	check.Must(t, os.Rename(file+".new", file))
}

// fromFile makes the app of newEcho with a configuration file, and a log.
func fromFile(t *testing.T, content string) (app *runtime.App, file string, log *awaited) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "config.yaml")
	put(t, file, content)
	log, logger := newAwaited(t)
	return newEcho(runtime.WithSource(config.Source{File: file}), logger), file, log
}

// reloads returns the counts of reloads on /metrics.
func (s *server) reloads() string {
	s.t.Helper()
	return s.samples("ekiben_config_reloads_total") + s.samples("ekiben_config_last_reload_successful")
}

func reloads(failure, success, last string) string {
	return fmt.Sprintf("ekiben_config_reloads_total{result=\"failure\"} %s\nekiben_config_reloads_total{result=\"success\"} %s\nekiben_config_last_reload_successful{} %s\n", failure, success, last)
}

// A reload applies the keys that can change and names those that cannot. A file with
// errors changes nothing. A removed key gets its default again.
func TestReload(t *testing.T) {
	app, file, log := fromFile(t, "http: {max_body_size: 100}\n")
	s := direct(t, app)
	const body = `{"text":"a string of more than 20 bytes"}`
	for _, step := range []struct {
		content string
		err     string
		status  int // of a request with the body
		traffic config.Traffic
		reloads string
		logged  string
	}{
		{"http: {max_body_size: 20, port: 99}\ntraffic: {max_concurrency: 7}\nservices: {Echo: {traffic: {timeout: 5}}}\n", "",
			http.StatusRequestEntityTooLarge, limits(5*time.Second, 7), reloads("0.0", "1.0", "1.0"),
			`level=INFO msg="configuration reloaded" changed="http.max_body_size, traffic.max_concurrency, services.Echo.traffic.timeout"
level=WARN msg="configuration keys changed that need a restart" keys=http.port
`},
		{"http: {max_body_size: 20}\ntraffic: {max_concurrency: 7}\nservices: {Echo: {traffic: {timeout: 5}}}\n", "",
			http.StatusRequestEntityTooLarge, limits(5*time.Second, 7), reloads("0.0", "2.0", "1.0"),
			"level=INFO msg=\"configuration reloaded, nothing changed\"\n"},
		{"http: {max_body_size: 20, port: 98}\ntraffic: {max_concurrency: 7}\nservices: {Echo: {traffic: {timeout: 5}}}\n", "",
			http.StatusRequestEntityTooLarge, limits(5*time.Second, 7), reloads("0.0", "3.0", "1.0"),
			"level=WARN msg=\"configuration keys changed that need a restart\" keys=http.port\n"},
		{"http: {max_body_size: 50, prot: 3}\nservices: {Nobody: {}}\n", file + ":1: http.prot: unknown key; did you mean http.port?\n" + file + ":2: services.Nobody: no service has this name; services: Echo",
			http.StatusRequestEntityTooLarge, limits(5*time.Second, 7), reloads("1.0", "3.0", "0.0"),
			`level=ERROR msg="configuration not reloaded" error="` + file + `:1: http.prot: unknown key; did you mean http.port?"
level=ERROR msg="configuration not reloaded" error="` + file + `:2: services.Nobody: no service has this name; services: Echo"
`},
		{"# nothing\n", "", http.StatusOK, limits(time.Minute, 0), reloads("1.0", "4.0", "1.0"),
			`level=INFO msg="configuration reloaded" changed="http.max_body_size, traffic.max_concurrency, services.Echo.traffic.timeout"
`},
	} {
		before := len(log.String())
		put(t, file, step.content)
		if err := app.Reload(); err == nil && step.err != "" || err != nil && err.Error() != step.err {
			t.Errorf("got %v, want %s", err, step.err)
		}
		check.Equal(t, timeless.ReplaceAllString(log.String()[before:], ""), step.logged)
		check.Equal(t, s.reloads(), step.reloads)
		if got := s.post("/echo", body); got.status != step.status {
			t.Errorf("got %d %s, want %d", got.status, got.body, step.status)
		}
		if got := app.Config(); !reflect.DeepEqual(got.TrafficOf("Echo"), step.traffic) || got.HTTP.Port == 99 {
			t.Errorf("got\n%s", got.YAML())
		}
	}
}

// limits returns the default limits but for these.
func limits(timeout time.Duration, most int) config.Traffic {
	t := config.Default().Traffic
	t.Timeout, t.MaxConcurrency = timeout, most
	return t
}

var timeless = regexp.MustCompile(`(?m)^time=\S+ |^.* msg=request .*\n`)

// An app loads each change of its file once. It does not load the file again that it
// started with.
func TestReloadOnce(t *testing.T) {
	app, file, log := fromFile(t, "traffic: {timeout: 11}\n")
	s := serve(t, app)
	check.Equal(t, s.reloads(), reloads("0.0", "0.0", "1.0"))
	for i, timeout := range []string{"12", "13"} {
		put(t, file, "traffic: {timeout: "+timeout+"}\n")
		log.await("changed=traffic.timeout")
		log.reset()
		check.Equal(t, s.reloads(), reloads("0.0", fmt.Sprintf("%d.0", i+1), "1.0"))
	}
	check.Equal(t, app.Config().Traffic.Timeout, 13*time.Second)
}

// Of several events for one change, the first reloads, also if the change names other
// files. Content that comes back after an error is a change.
func TestReloadOfEvents(t *testing.T) {
	app, file, log := fromFile(t, "traffic: {timeout: 11}\n")
	s := direct(t, app)
	secret := filepath.Join(t.TempDir(), "secret")
	put(t, secret, "a")
	for _, step := range []struct{ content, reloads string }{
		{"traffic: {timeout: 11}\n", reloads("0.0", "0.0", "1.0")},
		{"traffic: {timeout: 12}\n", reloads("0.0", "1.0", "1.0")},
		{"traffic: {timeout: x}\n", reloads("1.0", "1.0", "0.0")},
		{"traffic: {timeout: 12}\n", reloads("1.0", "2.0", "1.0")},
		{"otlp: {headers_file: {k: " + secret + "}}\n", reloads("1.0", "3.0", "1.0")},
		{"otlp: {headers_file: {k: " + secret + ".none}}\n", reloads("2.0", "3.0", "0.0")},
		{"traffic: {timeout: 12}\n", reloads("2.0", "4.0", "1.0")},
	} {
		put(t, file, step.content)
		for range 2 {
			_ = runtime.ReloadChanged(app)
		}
		if got := s.reloads(); got != step.reloads {
			t.Errorf("%s: got\n%s\nwant\n%s\n%s", step.content, got, step.reloads, log)
		}
	}
}

// A file may have errors while it is being written. They are reported only if they
// stay.
func TestTornWrite(t *testing.T) {
	for name, test := range map[string]struct{ after, want string }{
		"completed": {"traffic: {timeout: 12}\n", reloads("0.0", "1.0", "1.0")},
		"broken":    {"traffic: {timeout: x}\n", reloads("1.0", "0.0", "0.0")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app, file, _ := fromFile(t, "traffic: {timeout: 11}\n")
				s := direct(t, app)
				put(t, file, "traffic: {time")
				time.AfterFunc(50*time.Millisecond, func() { put(t, file, test.after) })
				if err := runtime.ReloadChanged(app); (err != nil) != (name == "broken") {
					t.Errorf("got %v", err)
				}
				check.Equal(t, s.reloads(), test.want)
				want := map[bool]time.Duration{true: 12 * time.Second, false: 11 * time.Second}[name == "completed"]
				check.Equal(t, app.Config().Traffic.Timeout, want)
			})
		})
	}
}

// Without a source, or before the app runs, Reload does nothing.
func TestReloadWithoutSource(t *testing.T) {
	app, file, _ := fromFile(t, "traffic: {timeout: 11}\n")
	put(t, file, "traffic: {timeout: x}\n")
	for _, app := range []*runtime.App{newEcho(), app} {
		check.OK(t, app.Reload())
	}
	app = newEcho()
	handler(t, app)
	check.OK(t, app.Reload())
}

// A file may change between New and Run. What New has used stays, with a warning; all
// other keys apply.
func TestChangeBeforeRun(t *testing.T) {
	app, file, log := fromFile(t, "app: {name: before}\n")
	put(t, file, "app: {name: after}\nmetrics: {namespace: after}\nhttp: {port: 99}\ntraffic: {timeout: 12}\n")
	s := direct(t, app)
	check.Contains(t, s.page(), `bentoml_service_request_total{endpoint="/echo",http_response_code="200",runner_name="Echo",service_name="before"`)
	if got := app.Config(); got.Traffic.Timeout != 12*time.Second || got.HTTP.Port != 99 || got.App.Name != "before" {
		t.Errorf("got %+v", got)
	}
	check.Contains(t, log.String(), `msg="configuration keys changed that need a restart" keys="app.name, metrics.namespace"`)
}

// An app whose configuration was invalid at New does not run after the file is fixed: it
// would not measure.
func TestFixedBeforeRun(t *testing.T) {
	app, file, _ := fromFile(t, "trafic: {}\nhtp: {}\n")
	put(t, file, "traffic: {}\n")
	_, err := app.Handler()
	const before = "runtime.New read a configuration with an error that is gone now; start the program again: "
	problems := config.Problems(err)
	if len(problems) != 2 || !strings.HasPrefix(problems[0].Error(), before+file+":1: trafic: unknown key") {
		t.Errorf("got %q", problems)
	}
}

// A reload of an app that could not start does nothing.
func TestReloadAfterAFailedStart(t *testing.T) {
	app, _, _ := fromFile(t, "trafic: {}\n")
	if err := app.Check(); err == nil {
		t.Error("the misspelt key is not reported")
	}
	check.OK(t, app.Reload())
}

// The file changes a thousand times, with errors half of the time, while clients send
// requests. No request fails, and the last file is in force.
func TestThousandSwaps(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	put(t, file, "traffic: {timeout: 30}\n")
	log, logger := newAwaited(t)
	app := newEcho(logger, runtime.WithSource(config.Source{File: file}), settings(func(c *config.Config) { c.Logging.AccessLog.Enabled = false }))
	s := serve(t, app)
	s.post("/echo", `{"text":"x"}`).want(t, 200, "X") // it has read the first file
	var stop atomic.Bool
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for !stop.Load() {
				s.post("/echo", `{"text":"x"}`).want(t, 200, "X")
			}
		})
	}
	contents := []string{
		"traffic: {timeout: %d}\n", "traffic: {timeout: %d, max_concurrency: 100}\nservices: {Echo: {traffic: {timeout: 40}}}\n",
		"traffic: {timeout: x%d\n", "traffic: {timout: %d}\n", "http: {max_body_size: %dMiB}\nlogging: {level: warn}\n", "\x00%d",
	}
	for i := range 1000 {
		put(t, file, fmt.Sprintf(contents[i%len(contents)], 30+i))
		if i%50 == 0 {
			_ = app.Reload() // as SIGHUP does, at the same time
		}
	}
	put(t, file, "traffic: {timeout: 77}\nhttp: {port: 99}\n")
	log.await("keys=http.port") // which is logged after the change
	stop.Store(true)
	clients.Wait()
	if got := app.Config().Traffic.Timeout; got != 77*time.Second {
		t.Errorf("the last file is not in force: the timeout is %s", got)
	}
	if got := s.reloads(); strings.Contains(got, "} 0.0\n") {
		t.Errorf("got\n%s", got)
	}
}

// Code that runs while the app starts may ask for a reload.
func TestReloadDuringTheStart(t *testing.T) {
	app := newApp("Front", runtime.WithSource(config.Source{}))
	runtime.Handle(app, "fn", func(_ context.Context, in text) (string, error) { return in.Text, nil })
	app.Use(func(h http.Handler) http.Handler {
		if err := app.Reload(); err != nil {
			t.Error(err)
		}
		return h
	})
	s := direct(t, app)
	if got := s.samples("reloads_total", `"success"`); got != "ekiben_config_reloads_total{result=\"success\"} 1.0\n" {
		t.Errorf("got %s", got)
	}
}
