package runtime_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A request beyond max_concurrency is refused. Probes and documents are not limited.
func TestMaxConcurrency(t *testing.T) {
	bubbles(t, func(t *testing.T, host host) {
		g := newGate()
		app := newApp("Busy", traffic(time.Minute, 3))
		runtime.Handle(app, "wait", g.wait)
		s := host.start(t, app)
		responses := make(chan answer, 3)
		for range 3 {
			go func() {
				got, _ := s.try("POST", "/wait", "{}")
				responses <- got
			}()
			<-g.entered
		}
		for _, path := range []string{"/livez", "/readyz", "/healthz", "/metrics", "/schema.json", "/docs.json", "/"} {
			if got := s.do("GET", path, "").status; got != 200 {
				t.Errorf("%s: %d", path, got)
			}
		}
		check.Equal(t, s.samples("in_progress", `"/wait"`), "bentoml_service_request_in_progress{endpoint=\"/wait\"} 3.0\n")
		got := s.post("/wait", "{}")
		got.want(t, 429, `{"error":"Too many requests"}`)
		if server := got.header.Get("Server"); server != "BentoML Service/Busy" {
			t.Errorf("Server: %q", server)
		}
		close(g.release)
		for range 3 {
			(<-responses).want(t, 200, "late")
		}
	})
}

// endpoint is a timeout of 10 s, and limits of one path.
func endpoint(path string, timeout time.Duration, most int) config.Traffic {
	return config.Traffic{Timeout: 10 * time.Second, Endpoints: map[string]config.EndpointTraffic{path: {Timeout: &timeout, MaxConcurrency: &most}}}
}

// An API has its own limits, from its options or from traffic.endpoints, which
// overrides them. The limit of the service applies as well.
func TestLimitsOfAPIs(t *testing.T) {
	const clients, second = 6, time.Second
	options := []runtime.APIOption{runtime.Timeout(20 * second), runtime.MaxConcurrency(2)}
	for name, test := range map[string]struct {
		traffic config.Traffic
		options []runtime.APIOption
		timeout string // of /wait in seconds; "": none
		most    int    // of /wait; clients: no limit
	}{
		"service":             {config.Traffic{Timeout: 10 * second, MaxConcurrency: 4}, nil, "10", 4},
		"options":             {config.Traffic{Timeout: 10 * second, MaxConcurrency: 4}, options, "20", 2},
		"larger than service": {config.Traffic{MaxConcurrency: 2}, []runtime.APIOption{runtime.MaxConcurrency(5)}, "", 2},
		"no timeout":          {config.Traffic{Timeout: 10 * second}, []runtime.APIOption{runtime.Timeout(0)}, "", clients},
		"configuration":       {endpoint("/wait", 5*second, 3), options, "5", 3},
		"configuration lifts": {endpoint("/wait", 0, 0), options, "", clients},
		"of another":          {endpoint("/other", second, 1), nil, "10", clients},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newApp("Limited", settings(func(c *config.Config) { c.Traffic = test.traffic }))
				runtime.Handle(app, "wait", func(context.Context, struct{}) (string, error) {
					time.Sleep(time.Minute)
					return "done", nil
				}, test.options...)
				runtime.Handle(app, "other", named("other"))
				s := direct(t, app)
				statuses := make(chan answer, clients)
				for range clients {
					go func() { statuses <- s.post("/wait", "{}") }()
				}
				counts := map[int]int{}
				for range clients {
					got := <-statuses
					counts[got.status]++
					if want := `{"error":"Not able to process the request in ` + test.timeout + ` seconds"}`; got.status == 504 && got.body != want {
						t.Errorf("got %s", got.body)
					}
				}
				status := 200
				if test.timeout != "" {
					status = 504
				}
				want := map[int]int{status: test.most}
				if test.most < clients {
					want[429] = clients - test.most
				}
				check.Equal(t, counts, want)
				time.Sleep(time.Minute)
				s.post("/other", "{}").want(t, 200, "other")
			})
		})
	}
}

// A reload changes the limits of APIs for later requests.
func TestReloadedLimits(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	write := func(content string) {
		check.Must(t, os.WriteFile(file, []byte(content), 0o600))
	}
	synctest.Test(t, func(t *testing.T) {
		write("traffic: {endpoints: {/wait: {timeout: 5, max_concurrency: 1}}}")
		app, g := newApp("Limited", runtime.WithSource(config.Source{File: file})), newGate()
		runtime.Handle(app, "wait", g.wait, runtime.Timeout(time.Hour), runtime.MaxConcurrency(10))
		s := direct(t, app)
		first := make(chan answer, 1)
		go func() { first <- s.post("/wait", "{}") }()
		<-g.entered
		s.post("/wait", "{}").want(t, 429, `{"error":"Too many requests"}`)
		write("traffic: {endpoints: {/wait: {timeout: 2, max_concurrency: 2}}}")
		check.Must(t, app.Reload())
		s.post("/wait", "{}").want(t, 504, `{"error":"Not able to process the request in 2 seconds"}`)
		(<-first).want(t, 504, `{"error":"Not able to process the request in 5 seconds"}`)
		write("{}")
		check.Must(t, app.Reload())
		began := time.Now()
		s.post("/wait", "{}").want(t, 504, `{"error":"Not able to process the request in 3600 seconds"}`)
		if took := time.Since(began); took != time.Hour {
			t.Errorf("it took %s", took)
		}
		close(g.release)
		synctest.Wait()
		if got := s.samples("traffic_concurrency"); !strings.HasSuffix(got, " 0.0\n") {
			t.Errorf("slots are taken: %s", got)
		}
	})
}

// A limit never refuses a request while it has a free slot, even if other limits
// refuse requests at the same time.
func TestLimitsDoNotDisturbEachOther(t *testing.T) { synctest.Test(t, undisturbed) }

func undisturbed(t *testing.T) {
	app := newApp("Two", traffic(0, 2))
	g := newGate()
	runtime.Handle(app, "one", g.wait, runtime.MaxConcurrency(1))
	runtime.Handle(app, "other", func(context.Context, struct{}) (string, error) { return "", nil })
	h := handler(t, app)
	var refused, held sync.WaitGroup
	held.Go(func() { call(h, "POST", "/one", "{}") })
	<-g.entered
	for range 4 {
		refused.Go(func() {
			for range 5000 {
				call(h, "POST", "/one", "{}")
			}
		})
	}
	for range 5000 {
		if got := call(h, "POST", "/other", "{}"); got != "" {
			t.Fatalf("got %s", got)
		}
	}
	refused.Wait()
	close(g.release)
	held.Wait()
}
