package real

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The two sides of the fleet, as values of the label instance.
const (
	python_ = "bentoml"
	golang  = "twin"
)

// drive sends the same requests to each server: known latencies, errors of each
// kind, batches.
func drive(t *testing.T, base string) {
	t.Helper()
	for _, c := range []struct {
		times              int
		method, path, body string
		status             int
	}{
		{20, "POST", "/summarize", `{"text":"sleep:0.15"}`, 200},
		{3, "POST", "/summarize", `{"text":"boom"}`, 500},
		{2, "POST", "/summarize", `{"text":4}`, 400},
		{2, "GET", "/summarize", ``, 405},
		{10, "POST", "/encode", `{"texts":["a","bb"]}`, 200},
		{3, "POST", "/v1/score", `{"xs":[1,2,3]}`, 200},
		{2, "GET", "/readyz", ``, 200},
	} {
		for range c.times {
			if got := send(t, c.method, base+c.path, c.body); got != c.status {
				t.Errorf("%s%s %s: %d, want %d", base, c.path, c.body, got, c.status)
			}
		}
	}
}

// fleet starts one BentoML and two twins, and the servers that scrape them.
// Prometheus 2 always asks for OpenMetrics, so it scrapes a twin of its own that
// has OpenMetrics off. environ is for BentoML, sets are for the twins.
func fleet(t *testing.T, environ []string, sets ...string) (bases map[string]string, servers []server) {
	t.Helper()
	ports := map[string]int{python_: freePort(t), golang: freePort(t), "classic": freePort(t)}
	bases = map[string]string{}
	for name, port := range ports {
		bases[name] = local(port)
	}
	sets = append(sets, "traffic.timeout=5")
	startBentoML(t, ports[python_], environ...)
	startTwin(t, ports[golang], sets...)
	startTwin(t, ports["classic"], append(sets, "metrics.openmetrics=false")...)
	for _, name := range []string{"prometheus2", "prometheus3", "victoria"} {
		twin := golang
		if name == "prometheus2" {
			twin = "classic"
		}
		servers = append(servers, startPrometheus(t, name, scrapeConfig(map[string]int{python_: ports[python_], golang: ports[twin]})))
	}
	return bases, servers
}

// each calls do for all sides concurrently.
func each(bases map[string]string, do func(base string)) {
	var sides sync.WaitGroup
	for _, base := range bases {
		sides.Go(func() { do(base) })
	}
	sides.Wait()
}

// TestMixedFleet sends the same traffic to one real BentoML and one twin that the
// same Prometheus scrapes. Both must have the same series, except for the
// documented differences, and the queries that people run must return the same for
// both.
func TestMixedFleet(t *testing.T) {
	bases, servers := fleet(t, nil)
	each(bases, func(base string) { // so that every series exists before it is compared
		send(t, "POST", base+"/summarize", `{"text":"x"}`)
		send(t, "POST", base+"/summarize", `{"text":"boom"}`)
		send(t, "POST", base+"/summarize", `{"text":4}`)
		send(t, "GET", base+"/summarize", "")
		send(t, "POST", base+"/encode", `{"texts":["a"]}`)
		send(t, "POST", base+"/v1/score", `{"xs":[1]}`)
	})
	t.Run("in progress", func(t *testing.T) { inProgress(t, bases, servers) })
	time.Sleep(warmup)
	var report strings.Builder
	var wrong []string
	for range 3 { // on a busy machine a scrape of one side may fail
		steadily(t, bases, servers)
		each(bases, func(base string) { drive(t, base) })
		time.Sleep(6 * time.Second)
		report.Reset()
		wrong = nil
		for _, compare := range []func(*testing.T, []server) (string, []string){series, together, queries} {
			text, found := compare(t, servers)
			report.WriteString(text)
			wrong = append(wrong, found...)
		}
		if len(wrong) == 0 {
			break
		}
	}
	for _, difference := range wrong {
		t.Error(difference)
	}
	if !t.Failed() {
		published(t, "fleet", report.String())
	}
}

// inProgress holds one request on each side until the gauge shows both in every
// server.
func inProgress(t *testing.T, bases map[string]string, servers []server) {
	t.Helper()
	held2 := map[string]string{ // the series of each query that must be 2
		`sum by (endpoint) (bentoml_service_request_in_progress{job="plain",endpoint="/summarize"})`:                                                                      `{endpoint="/summarize"}`,
		`sum by(exported_endpoint) (bentoml_service_request_in_progress{` + yatai + `})`:                                                                                  `{exported_endpoint="/summarize"}`,
		`sum(bentoml_service_request_in_progress{namespace!="",pod!="",runner_name="Summarization",exported_endpoint!~"/(livez|readyz|healthz|metrics)"}) by (namespace)`: `{namespace="models"}`,
	}
	seen := map[string]float64{}
	for range 5 {
		var held sync.WaitGroup
		for _, base := range bases {
			held.Go(func() { send(t, "POST", base+"/summarize", `{"text":"sleep:4"}`) })
		}
		for range 35 { // tenths of a second, while the requests are held
			for _, s := range servers {
				least := 2.0
				for query, key := range held2 {
					least = min(least, vector(s.ask(t, query))[key])
				}
				seen[s.name] = max(seen[s.name], least)
			}
			time.Sleep(100 * time.Millisecond)
		}
		held.Wait()
		if !slices.ContainsFunc(servers, func(s server) bool { return seen[s.name] != 2 }) {
			return
		}
	}
	t.Errorf("in progress in the fleet: %v, want 2 of each", seen)
}
