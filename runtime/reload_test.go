package runtime_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// put replaces a file as careful programs do.
func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// serveFile serves what newEcho makes with a configuration file.
func serveFile(t *testing.T, file string, opts ...runtime.Option) (*server, *runtime.Runtime, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	var rt *runtime.Runtime
	opts = append(opts, runtime.WithSource(config.Source{File: file}), runtime.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	s := serveRuntime(t, newEcho(), func(made *runtime.Runtime) { rt = made }, opts...)
	return s, rt, log
}

func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	put(t, file, "http: {max_body_size: 100}\nlogging: {access: {enabled: false}}\n")
	s, rt, log := serveFile(t, file)
	s.post("/echo", `{"text":"a text of more than 20 bytes"}`).want(t, 200, "A TEXT OF MORE THAN 20 BYTES")

	put(t, file, "http: {max_body_size: 20, port: 99}\ntraffic: {max_concurrency: 7}\nservices: {Echo: {traffic: {timeout: 5}}}\nlogging: {access: {enabled: false}}\n")
	eventually(t, "the body limit", func() bool { return rt.Config().HTTP.MaxBodySize == 20 })
	if got := s.post("/echo", `{"text":"a text of more than 20 bytes"}`); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := rt.Config(); !reflect.DeepEqual(got.TrafficOf("Echo"), config.Traffic{Timeout: 5 * time.Second, MaxConcurrency: 7}) || got.HTTP.Port == 99 {
		t.Errorf("got\n%s", got.YAML())
	}
	eventually(t, "the log", func() bool {
		return strings.Contains(log.String(), `changed="http.max_body_size, traffic.max_concurrency, services.Echo.traffic.timeout"`) &&
			strings.Contains(log.String(), `msg="configuration that needs a restart has changed" keys=http.port`)
	})

	put(t, file, "http: {max_body_size: 50, prot: 3}\nservices: {Nobody: {}}\n")
	eventually(t, "the failure", func() bool {
		return strings.Contains(s.page(), `ekiben_config_reloads_total{result="failure"} 1.0`)
	})
	if got := rt.Config().HTTP.MaxBodySize; got != 20 {
		t.Errorf("a bad file changed the limit to %d", got)
	}
	for _, want := range []string{
		`ekiben_config_reloads_total{result="success"} 1.0`, "ekiben_config_last_reload_successful 0.0",
	} {
		if !strings.Contains(s.page(), want) {
			t.Errorf("the page lacks %s:\n%s", want, s.page())
		}
	}
	eventually(t, "the log of the failure", func() bool {
		return strings.Contains(log.String(), file+":1: http.prot: unknown key; did you mean port?")
	})

	// What is taken away again is at its default again.
	put(t, file, "logging: {access: {enabled: false}}\n")
	eventually(t, "the defaults", func() bool { return rt.Config().HTTP.MaxBodySize == 100<<20 })
	if got := rt.Config().TrafficOf("Echo"); !reflect.DeepEqual(got, config.Traffic{Timeout: time.Minute}) {
		t.Errorf("got %+v", got)
	}
	eventually(t, "success", func() bool { return strings.Contains(s.page(), "ekiben_config_last_reload_successful 1.0") })
}

// Each way in which a file comes to be another one is noticed.
func TestReloadNotices(t *testing.T) {
	text := func(limit int) string { return fmt.Sprintf("traffic: {max_concurrency: %d}\n", limit) }
	for name, change := range map[string]struct {
		prepare, change func(t *testing.T, dir string)
	}{
		"written in place": {
			func(t *testing.T, dir string) { put(t, filepath.Join(dir, "config.yaml"), text(1)) },
			func(t *testing.T, dir string) {
				if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text(2)), 0o600); err != nil {
					t.Fatal(err)
				}
			},
		},
		"renamed over": {
			func(t *testing.T, dir string) { put(t, filepath.Join(dir, "config.yaml"), text(1)) },
			func(t *testing.T, dir string) { put(t, filepath.Join(dir, "config.yaml"), text(2)) },
		},
		"removed and made again": {
			func(t *testing.T, dir string) { put(t, filepath.Join(dir, "config.yaml"), text(1)) },
			func(t *testing.T, dir string) {
				if err := os.Remove(filepath.Join(dir, "config.yaml")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(300 * time.Millisecond) // so that it is seen missing
				put(t, filepath.Join(dir, "config.yaml"), text(2))
			},
		},
		"link of a ConfigMap swapped": {
			func(t *testing.T, dir string) {
				mount(t, dir, "..1", text(1))
				link(t, "..data/config.yaml", filepath.Join(dir, "config.yaml"))
			},
			func(t *testing.T, dir string) { mount(t, dir, "..2", text(2)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			change.prepare(t, dir)
			_, rt, _ := serveFile(t, filepath.Join(dir, "config.yaml"))
			if got := rt.Config().Traffic.MaxConcurrency; got != 1 {
				t.Fatalf("got %d", got)
			}
			change.change(t, dir)
			eventually(t, name, func() bool { return rt.Config().Traffic.MaxConcurrency == 2 })
		})
	}
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// mount does what the kubelet does with a ConfigMap: a new directory, and a
// link that is renamed to it.
func mount(t *testing.T, dir, version, text string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, version), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, version, "config.yaml"), text)
	link(t, version, filepath.Join(dir, "..data_tmp"))
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

// TestThousandSwaps swaps the file under clients that never pause. No request
// notices, whatever is in the file.
func TestThousandSwaps(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	put(t, file, "traffic: {timeout: 30}\n")
	s, rt, _ := serveFile(t, file, settings(func(c *config.Config) { c.Logging.AccessLog.Enabled = false }))
	var stop atomic.Bool
	var requests, failures atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for !stop.Load() {
				requests.Add(1)
				if got := s.post("/echo", `{"text":"x"}`); got.status != 200 || got.body != "X" {
					failures.Add(1)
				}
			}
		})
	}
	texts := []string{
		"traffic: {timeout: %d}\n", "traffic: {timeout: %d, max_concurrency: 100}\nservices: {Echo: {traffic: {timeout: 40}}}\n",
		"traffic: {timeout: x%d\n", "traffic: {timout: %d}\n", "http: {max_body_size: %dMiB}\nlogging: {level: warn}\n", "\x00%d",
	}
	for i := range 1000 {
		put(t, file, fmt.Sprintf(texts[i%len(texts)], 30+i))
		if i%50 == 0 {
			time.Sleep(50 * time.Millisecond) // some are there long enough to be read
		}
		if i%100 == 0 {
			_ = rt.Reload() // as SIGHUP does, at the same time
		}
	}
	put(t, file, "traffic: {timeout: 77}\n")
	eventually(t, "the last file", func() bool { return rt.Config().Traffic.Timeout == 77*time.Second })
	stop.Store(true)
	clients.Wait()
	if failures.Load() > 0 || requests.Load() < 100 {
		t.Errorf("%d of %d requests failed", failures.Load(), requests.Load())
	}
	page := s.page()
	for _, result := range []string{"success", "failure"} {
		if strings.Contains(page, fmt.Sprintf("ekiben_config_reloads_total{result=%q} 0.0", result)) {
			t.Errorf("no reload with result %s", result)
		}
	}
}

// The log's level follows the configuration while nobody reads it.
func TestReloadWithoutSource(t *testing.T) {
	rt, err := runtime.New(newEcho(), runtime.WithLogger(quiet()))
	if err != nil {
		t.Fatal(err)
	}
	if err := rt.Reload(); err != nil {
		t.Error(err)
	}
	if err := rt.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}
