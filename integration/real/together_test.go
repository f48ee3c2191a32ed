package real

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// together evaluates queries over both sides at once, as a dashboard of a fleet
// does. It compares le as a string: for Prometheus 2, le="1" and le="1.0" are two
// series, and a quantile over both sides would be wrong.
func together(t *testing.T, servers []server) (table string, wrong []string) {
	t.Helper()
	const summarize, quantile = `job="plain",endpoint="/summarize",http_response_code="200"`, `histogram_quantile(0.5, sum by (le) (rate(bentoml_service_request_duration_seconds_bucket{job="plain",endpoint="/summarize",http_response_code="200"}[30s])))`
	var b strings.Builder
	b.WriteString("Over both sides at once, `le` compared as it is written:\n\n| scraped by | buckets that both have | buckets that one has | `" + quantile + "` (0.15 s are known) | requests of both, `sum by (endpoint)` |\n|---|---|---|---|---|\n")
	for _, s := range servers {
		fail := func(format string, args ...any) { wrong = append(wrong, s.name+": "+fmt.Sprintf(format, args...)) }
		both, one := 0, 0
		for _, family := range []string{`bentoml_service_request_duration_seconds_bucket{` + summarize + `}`, `bentoml_service_adaptive_batch_size_bucket{job="plain",method_name="encode"}`} {
			for _, bucket := range s.ask(t, `count by (le) (`+family+`)`) {
				if bucket.value == 2 {
					both++
					continue
				}
				one++
				fail("%s: le=%q is there %v times", family, bucket.labels["le"], bucket.value)
			}
		}
		if want := 16 + 7; both != want {
			fail("both sides have %d buckets, want %d", both, want)
		}
		median := vector(s.ask(t, quantile))["{}"]
		if median <= 0.1 || median > 0.25 {
			fail("the median over both is %v", median)
		}
		const total = `sum by (endpoint) (bentoml_service_request_total{job="plain",endpoint=~"/summarize|/encode|/v1/score"X})`
		all, python := vector(s.ask(t, strings.ReplaceAll(total, "X", ""))), vector(s.ask(t, strings.ReplaceAll(total, "X", `,instance="`+python_+`"`)))
		if len(all) != 3 {
			fail("requests of both: %v", all)
		}
		for endpoint, n := range all {
			if n != 2*python[endpoint] {
				fail("%s: %v requests of both, BentoML has %v", endpoint, n, python[endpoint])
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d | in its bucket | twice those of one |\n", titles[s.name], both, one)
	}
	return b.String() + "\n", wrong
}

// steadily sends ten requests a second to each side until every server has shown
// about that rate with irate.
func steadily(t *testing.T, bases map[string]string, servers []server) {
	t.Helper()
	query := func(side string) string {
		return `round(sum by(exported_endpoint) (irate(bentoml_service_request_total{` + yatai + `,exported_endpoint="/summarize",instance="` + side + `"}[2m])), 0.001)`
	}
	missing := map[string]bool{}
	for _, s := range servers {
		for _, side := range []string{python_, golang} {
			missing[s.name+" of "+side] = true
		}
	}
	ticks := time.NewTicker(100 * time.Millisecond)
	defer ticks.Stop()
	var sent sync.WaitGroup
	for tick := 0; len(missing) > 0 && tick < 600; tick++ {
		<-ticks.C
		for _, base := range bases {
			sent.Go(func() { send(t, "GET", base+"/summarize", "") }) // 405, which no query of asked counts as a latency
		}
		if tick < 30 || tick%10 > 0 {
			continue
		}
		for _, s := range servers {
			for _, side := range []string{python_, golang} {
				if rate := vector(s.ask(t, query(side)))[`{exported_endpoint="/summarize"}`]; rate > 6 && rate < 14 {
					delete(missing, s.name+" of "+side)
				}
			}
		}
	}
	sent.Wait()
	for who := range missing {
		t.Errorf("the rate by %s was never about ten a second", who)
	}
}

// TestOlderNamespace evaluates the queries in the namespace that older versions of
// BentoML had. BentoML and the twin are configured with it.
func TestOlderNamespace(t *testing.T) {
	const namespace = "bentoml_api_server"
	bases, servers := fleet(t, []string{"NAMESPACE=" + namespace}, "metrics.namespace="+namespace)
	each(bases, func(base string) { drive(t, base) })
	time.Sleep(warmup)
	var wrong []string
	for range 3 {
		each(bases, func(base string) { drive(t, base) })
		time.Sleep(6 * time.Second)
		if _, wrong = queriesIn(t, servers, namespace); len(wrong) == 0 {
			return
		}
	}
	for _, difference := range wrong {
		t.Error(difference)
	}
}
