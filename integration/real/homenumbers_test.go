package real

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// times sends the same request n times, one after the other.
func times(t *testing.T, n int, method, url, body string, status int) {
	t.Helper()
	for range n {
		if got := send(t, method, url, body); got != status {
			t.Fatalf("%s responds %d, want %d", url, got, status)
		}
	}
}

// TestHomePageNumbers compares the tiles and the charts with known traffic, in both
// conventions.
func TestHomePageNumbers(t *testing.T) {
	for _, convention := range []string{"bentoml", "http"} {
		hold := make(chan struct{})
		base := serve(t, "Numbers", measured(hold), func(c *config.Config) { c.Metrics.Conventions = []string{convention} })
		b := browse(t, base+"/")
		b.steps(sees("a second reading", `past.time.length > 1`, "true"), does("nothing else reads", `ui.alone()`, ""))
		t.Run(convention+" requests", func(*testing.T) { numbersOfRequests(b, base) })
		t.Run(convention+" latency", func(t *testing.T) { numbersOfLatency(t, b, base) })
		t.Run(convention+" batches", func(t *testing.T) { numbersOfBatches(t, b, base) })
		t.Run(convention+" in progress", func(t *testing.T) {
			if convention == "http" {
				b.steps(does("no such family", `[charts[2].box.hidden, $('progress').parentElement.hidden, charts[3].box.hidden]`, "true,true,false"))
				close(hold)
				return
			}
			numbersInProgress(t, b, base, hold)
		})
		b.complaints()
	}
}

// numbersOfRequests sends requests, of which a quarter fail. An invalid input is not a
// failure of the server.
func numbersOfRequests(b *tab, base string) {
	b.steps(does("before", `ui.read(1)`, ""))
	for range 10 {
		times(b.t, 1, http.MethodPost, base+"/try", `{"fail":true}`, 500)
		times(b.t, 1, http.MethodPost, base+"/try", `{"fail":"perhaps"}`, 400)
		times(b.t, 2, http.MethodPost, base+"/try", `{}`, 200)
	}
	b.steps(
		does("a quarter fails", `(await ui.read(1), [$('failing').textContent, ui.last(0, 2) / ui.last(0, 1)])`, "25 %,0.25"),
		does("40 requests", `Math.abs(ui.counted() - 40) <= 4 || ui.counted()`, "true"),
		does("nothing after that", `(await ui.read(1), [$('rate').textContent, $('failing').textContent])`, "0,0 %"))
}

// numbersOfLatency sends twenty requests between two readings, whose quantiles are in
// known buckets: twelve are short, seven longer, one is slow. A busy machine may
// delay one into another bucket; the requests are then sent again.
func numbersOfLatency(t *testing.T, b *tab, base string) {
	t.Helper()
	const want = "225 ms,2.2 s,225 ms,464 ms,2.2 s,0.225,0.464,2.200,latency, now: p50 225 ms, p90 464 ms, p99 2.2 s"
	said := ""
	for range 5 {
		b.steps(does("before", `ui.read(1)`, ""))
		var naps sync.WaitGroup
		for body, n := range map[string]int{`{"for":170}`: 12, `{"for":330}`: 7, `{"for":1500}`: 1} {
			for range n {
				naps.Go(func() { send(t, "POST", base+"/nap", body) })
			}
		}
		naps.Wait()
		var err error
		if said, err = b.eval(`(await ui.read(1), [$('p50').textContent, $('p99').textContent, ...charts[1].box.innerText.match(/p50 (.*)\s+p90 (.*)\s+p99 (.*)/).slice(1),
			...[1, 2, 3].map(i => ui.last(1, i).toFixed(3)), charts[1].canvas.getAttribute('aria-label')])`); said == want || err != nil {
			break
		}
	}
	if said != want {
		t.Errorf("the page shows\n%s, want\n%s", said, want)
	}
}

// numbersOfBatches has more clients than a batch takes, so every batch is full.
func numbersOfBatches(t *testing.T, b *tab, base string) {
	t.Helper()
	_, stop := load(t, clients{24, base + "/merge", 0, []string{`{"xs":[1]}`}})
	b.steps(sees("full batches", `(await ui.read(1), $('batch').textContent > 3.8 && ui.last(3, 1) > 3.8 && ui.last(3, 1) <= 4)`, "true"))
	stop()
}

func numbersInProgress(t *testing.T, b *tab, base string, hold chan struct{}) {
	t.Helper()
	var held sync.WaitGroup
	for range 7 {
		held.Go(func() { send(t, "POST", base+"/hold", `{}`) })
	}
	const shown = `(await ui.read(1), [$('progress').textContent, ui.last(2, 1), charts[2].canvas.getAttribute('aria-label')])`
	b.steps(sees("seven", shown, "7,7,in progress, now: 7"))
	close(hold)
	held.Wait()
	b.steps(sees("none", shown, "0,0,in progress, now: 0"))
}

// TestHomePageWithoutRequests checks the charts before the first request: each has an
// axis, and either a line at zero or a note. The line of failing requests is drawn only
// around failures, so that it does not cover the line of all requests.
func TestHomePageWithoutRequests(t *testing.T) {
	hold := make(chan struct{})
	close(hold)
	base := serve(t, "Numbers", measured(hold), nil)
	b := browse(t, base+"/")
	const notes = `charts.map(c => c.none.hidden ? '' : c.none.innerText)`
	b.steps(
		sees("a second reading", `past.time.length > 1`, "true"),
		does("nothing else reads", `ui.alone()`, ""),
		does("axes", `charts.map(c => c.plot.scales.y.max)`, "1,1,1,1"),
		does("notes", notes, ",nothing measured in this time,,nothing measured in this time"),
		does("lines", `[ui.last(0, 1), ui.last(0, 2), past.failing.at(-1), ui.last(2, 1)]`, "0,,0,0"))
	times(t, 1, http.MethodPost, base+"/try", `{}`, 200)
	b.steps(does("no batch", `(await ui.read(1), `+notes+`)`, ",,,nothing measured in this time"))
	times(t, 1, http.MethodPost, base+"/try", `{"fail":true}`, 500)
	times(t, 1, http.MethodPost, base+"/merge", `{"xs":[1]}`, 200)
	b.steps(
		does("a failure", `(await ui.read(1), [ui.last(0, 2) > 0, charts[0].plot.data[2].at(-2)])`, "true,0"),
		does("after it", `(await ui.read(2), charts[0].plot.data[2].slice(-3).map(v => v === 0 ? '0' : v === null ? 'none' : 'some'))`, "some,0,none"),
		does("no notes", notes, ",,,"))
	b.complaints()
}

// TestHomePageCountsNoProbes sends requests that the server handles itself, below a
// prefix. They must not count as requests to the service.
func TestHomePageCountsNoProbes(t *testing.T) {
	for _, convention := range []string{"bentoml", "http"} {
		base := serve(t, "Shouter", shouter, func(c *config.Config) {
			c.HTTP.PathPrefix = "/ml"
			c.Metrics.Conventions = []string{convention}
		})
		b := browse(t, base+"/")
		b.steps(sees("a second reading", `past.time.length > 1`, "true"))
		for _, path := range []string{"/livez", "/readyz", "/healthz", "/metrics", "/docs.json", "/schema.json", "/static_content/page.js", "/"} {
			times(t, 20, http.MethodGet, base+path, "", 200)
		}
		b.steps(does(convention+": probes", `(await ui.read(2), ui.most())`, "0"))
		times(t, 20, http.MethodPost, base+"/shout", `{"text":"x"}`, 200)
		b.steps(
			does(convention+": requests", `(await ui.read(1), [ui.most() > 0, Math.abs(ui.counted() - 20) <= 6])`, "true,true"),
			does(convention+": the form", `ui.press(0)`, "200 OK|TEXT"))
	}
}

// TestHomePageCountsNoCalls lets an API call another service of its process. The page
// shows the batches of the calls but does not count them as requests.
func TestHomePageCountsNoCalls(t *testing.T) {
	hold := make(chan struct{})
	base := serve(t, `Front "1"`, calling(hold), nil)
	b := browse(t, base+"/")
	b.steps(sees("a second reading", `past.time.length > 1`, "true"))
	times(t, 20, http.MethodPost, base+"/count", `{}`, 200)
	b.steps(
		does("batches", `(await ui.read(1), past['requests in a batch'].includes(1))`, "true"),
		does("20 requests", `Math.abs(ui.counted() - 20) <= 6 || ui.counted()`, "true"))
	var held sync.WaitGroup
	held.Go(func() { send(t, http.MethodPost, base+"/count", `{"held":true}`) })
	b.steps(sees("one in progress", `(await ui.read(1), $('progress').textContent)`, "1"))
	close(hold)
	held.Wait()
}

// TestHomePageOfTwoReplicas sends each reading to another replica. The
// difference between their counters must not look like requests.
func TestHomePageOfTwoReplicas(t *testing.T) {
	var replicas [2]http.Handler
	var bases [2]string
	for i, name := range []string{"a", "b"} {
		t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id="+name)
		bases[i] = serve(t, "Shouter", shouter, func(c *config.Config) { c.Metrics.Exposition.TargetInfo = true })
		replicas[i] = proxyTo(t, bases[i])
	}
	times(t, 200, http.MethodPost, bases[0]+"/shout", `{"text":"x"}`, 200)
	var asked atomic.Int64
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		replicas[asked.Add(1)%2].ServeHTTP(w, r)
	}))
	t.Cleanup(balancer.Close)
	b := browse(t, balancer.URL+"/")
	b.steps(
		sees("four readings", `(await ui.read(1), past.all.filter(rate => rate !== null).length >= 4)`, "true"),
		does("no requests", `ui.most()`, "0"))
	times(t, 20, http.MethodPost, bases[1]+"/shout", `{"text":"x"}`, 200)
	b.steps(does("requests of one replica", `(await ui.read(2), ui.most() > 0)`, "true"))
}

// TestHomePageOfASilentServer uses a server that accepts requests and does not respond
// for a while.
func TestHomePageOfASilentServer(t *testing.T) {
	var silent atomic.Bool
	proxy := proxyTo(t, serve(t, "Shouter", shouter, nil))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if silent.Load() {
			<-r.Context().Done()
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	b := browse(t, server.URL+"/")
	b.steps(sees("a second reading", `past.time.length > 1`, "true"))
	silent.Store(true)
	b.steps(sees("silence", `[$('state').textContent, $('state').className]`, "the server does not respond; the numbers are old,bad"))
	silent.Store(false)
	b.steps(sees("the next reading", `[$('state').textContent, past.all.at(-1)]`, "live,0"))
}

// samples returns an exposition: requests by status, and buckets.
func samples(ok, failed int, buckets string) string {
	return fmt.Sprintf("t_request_total{endpoint=\"/a\",http_response_code=\"200\",runner_name=\"R\"} %d\n"+
		"t_request_total{endpoint=\"/a\",http_response_code=\"500\",runner_name=\"R\"} %d\n", ok, failed) + buckets
}

// buckets returns the buckets of an API, from pairs of boundary and count.
func buckets(api string, pairs ...any) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "t_request_duration_seconds_bucket{endpoint=%q,le=\"%v\",runner_name=\"R\"} %v\n", api, pairs[i], pairs[i+1])
	}
	return b.String()
}

// TestHomePageReadings has pairs of readings from which it is easy to compute wrong
// numbers: requests a second, failing requests a second, and the median.
func TestHomePageReadings(t *testing.T) {
	b := browse(t, serve(t, "Shouter", shouter, nil)+"/")
	none := buckets("/a", .1, 0, 1, 0, "+Inf", 0)
	for name, test := range map[string]struct{ before, after, want string }{
		"as usual":                     {samples(5, 1, none), samples(9, 3, none), "3,1,"},
		"a counter starts again":       {samples(5, 1, none), samples(9, 0, none), ",,"},
		"a counter is gone":            {samples(5, 1, buckets("/b", "+Inf", 3)), samples(9, 3, none), ",,"},
		"a bucket starts again":        {samples(5, 1, buckets("/a", .1, 3, "+Inf", 3)), samples(9, 3, buckets("/a", .1, 2, "+Inf", 9)), ",,"},
		"the same boundaries":          {samples(1, 1, ""), samples(1, 1, buckets("/a", .1, 0, 1, 10, "+Inf", 10)+buckets("/b", .1, 10, 1, 10, "+Inf", 10)), "0,0,0.1"},
		"different boundaries":         {samples(1, 1, ""), samples(1, 1, buckets("/a", 1, 0, 2, 10, "+Inf", 10)+buckets("/b", .5, 0, 2, 10, "+Inf", 10)), "0,0,1"},
		"no boundary in common":        {samples(1, 1, ""), samples(1, 1, buckets("/a", 1, 10, "+Inf", 10)+buckets("/b", 2, 10, "+Inf", 10)), "0,0,"},
		"other boundaries, no traffic": {samples(1, 1, ""), samples(1, 1, buckets("/a", 1, 10, "+Inf", 10)+buckets("/b", 2, 0, "+Inf", 0)), "0,0,0.5"},
	} {
		b.steps(does(name, fmt.Sprintf(`'|' + (([before, after]) => { const c = changes(before, after, 2); return [c.all, c.failing, c.p50]; })([%s, %s].map(text => read(parse(text), 't', 'R', '')))`, js(test.before), js(test.after)), "|"+test.want))
	}
}

// TestHomePagePicture checks that the home page shows everything that docs/page.png
// shows. -update writes the picture.
func TestHomePagePicture(t *testing.T) {
	base := serve(t, "Summarization", pictured, func(c *config.Config) { c.App.Version = "1.4.0" })
	failing := []string{`{"text":"fail"}`}
	for range 24 {
		failing = append(failing, `{"text":"A cat leapt."}`)
	}
	load(t, clients{4, base + "/summarize", 60 * time.Millisecond, failing}, clients{8, base + "/encode", 15 * time.Millisecond, []string{`{"texts":["a","bb"]}`}})
	b := browse(t, base+"/")
	history := 3
	if *update {
		history = 30
	}
	for n := 3; n <= history; n += 3 {
		b.steps(sees("readings", fmt.Sprintf(`past.all.filter(v => v > 10).length >= %d`, n), "true"))
	}
	b.steps(
		sees("failures and batches", `Math.max(...past.failing) > 0 && $('batch').textContent > 2`, "true"),
		does("a form", `(await ui.press(0), [ui.status.startsWith('200 OK'), ui.answer(0).includes('looking into it.')])`, "true,true"),
		does("every string is wholly in view", `[...document.querySelectorAll('#api0 textarea, #api0 form pre')].every(e => e.scrollHeight <= e.clientHeight + 1)`, "true"))
	if *update && !t.Failed() {
		b.steps(does("the top", `(document.activeElement.blur(), scrollTo(0, 0), window.before = past.time.length)`, ""),
			func(b *tab) {
				var height int64
				text, _ := b.eval(`document.documentElement.scrollHeight`)
				_, _ = fmt.Sscan(text, &height)
				b.do(chromedp.EmulateViewport(1200, height))
			},
			sees("a reading after the layout", `past.time.length > window.before`, "true"))
		b.screenshot("page.png")
	}
}
