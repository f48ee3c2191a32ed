package real

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	devtools "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// TestHomePage opens the page of a twin under load, tries its APIs and kills it.
func TestHomePage(t *testing.T) {
	port := freePort(t)
	twin := startTwin(t, port, "batching.server_timing=true")
	load(t, clients{1, local(port) + "/summarize", time.Second / 20, []string{`{"text":"x"}`}}, clients{1, local(port) + "/encode", time.Second / 20, []string{`{"texts":["a","bb"]}`}})
	b := browse(t, local(port)+"/")
	b.steps(
		sees("charts move", `Number($('rate').textContent) > 10 && Math.min(...charts.map(c => c.plot.data[1].filter(v => v !== null).length)) > 2`, "true"),
		does("state and unit", `[$('state').textContent, $('p50').textContent.endsWith('ms')]`, "live,true"))
	b.steps(looks()...)
	b.steps(
		does("APIs", `[...document.querySelectorAll('.api > summary > code')].map(s => s.textContent)`, "/summarize,/encode,/v1/score"),
		does("documentation", `(rows => rows.startsWith('text|string, optional||hello|\n200|Successful Response|text/plain\n') && rows.endsWith('\n504|Gateway Timeout|application/json') || rows)(ui.documented(0))`, "true"),
		does("a string", `(ui.control(0, 'text').value = 'hello', ui.press(0))`, "200 OK|HELLO"),
		does("a list", `(ui.control(1, 'texts').value = '["a","bb"]', ui.press(1))`, "200 OK|[1, 2]"),
		does("the time in the queue", `ui.status.includes('queue;dur=')`, "true"),
		does("an example", `ui.control(2, 'xs').value`, "[1.5]"),
		does("a server's error", `(ui.control(0, 'text').value = 'boom', (await ui.press(0)).slice(0, 4) + ui.answer(0).includes('error') + $('api0').querySelector('[role=status]').className)`, "500 truebad"),
		does("invalid JSON", `(ui.control(1, 'texts').value = '["a",', (await ui.press(1)).split('|')[0])`, `texts: must be JSON, such as ["text"]`),
		does("a wrong type", `(ui.control(1, 'texts').value = '[1]', (await ui.press(1)).slice(0, 4) + ui.answer(1).includes('Input should be a valid string'))`, "400 true"))
	b.steps(byKeyboard()...)
	b.steps(inTheDark()...)
	b.steps(
		wide(360),
		sees("a width of 360 pixels", `(document.querySelectorAll('details').forEach(d => { d.open = true; }), document.documentElement.scrollWidth <= 360)`, "true"))
	b.complaints()
	twin.kill()
	b.steps(sees("no server", `$('state').textContent`, "the server cannot be reached; the numbers are old"))
}

// The page at the admin door has the slow requests, at every width, and no forms.
func TestAdminPage(t *testing.T) {
	app := runtime.New("Slow", runtime.WithConfig(func() config.Config {
		c := config.Default()
		c.HTTP.Port, c.Admin.Port, c.Admin.Enabled, c.Slow.Objective = freePort(t), freePort(t), true, time.Millisecond
		return c
	}()))
	runtime.Handle(app, "nap", func(context.Context, struct{}) (int, error) { time.Sleep(20 * time.Millisecond); return 1, nil })
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	t.Cleanup(func() { end(); check.OK(t, <-ended) })
	for app.Addr() == nil {
		time.Sleep(time.Millisecond)
	}
	response := check.Value(http.Post("http://"+app.Addr().String()+"/nap", "application/json", strings.NewReader("{}")))(t)
	check.Must(t, response.Body.Close())
	b := browse(t, "http://"+app.AdminAddr().String()+"/")
	b.steps(
		sees("the slow request", `[...$('slowrows').rows].map(r => [1, 2, 4].map(i => r.cells[i].textContent)).join()`, "/nap,200,function"),
		does("no form", `document.querySelectorAll('textarea, input').length`, "0"),
		wide(360),
		sees("a width of 360 pixels", `document.documentElement.scrollWidth <= 360`, "true"))
	b.complaints()
}

// looks checks the layout: rows of tiles and charts are full at every width, axes
// have the time of day, numbers have units, and no colour has two meanings.
func looks() (steps []step) {
	for _, width := range []int64{360, 700, 900, 1200} {
		steps = append(steps, wide(width), sees(fmt.Sprintf("full rows at %d pixels", width),
			`['tiles', 'charts'].every(id => Math.abs($(id).lastElementChild.getBoundingClientRect().right - $(id).getBoundingClientRect().right) < 2)`, "true"))
	}
	return append(steps,
		does("numbers", `[plain(1234.4), plain(123456), plain(12.345), percent(.00396), percent(.25), seconds(.0025), seconds(1.5)]`, "1234,123456,12.3,0.4 %,25 %,2.5 ms,1.5 s"),
		does("what counts as failing", `$('failing').previousElementSibling.textContent`, "failing status ≥ 500"),
		does("no version", `document.querySelector('header').innerText.includes('available')`, "false"),
		does("colours", `['--second', '--third'].some(name => ['--bad', '--good'].some(other => colour(name) === colour(other)))`, "false"),
		does("axes", `charts.every(c => c.plot.scales.x.max === past.time.at(-1) && c.plot.scales.x.max - c.plot.scales.x.min >= shortest)`, "true"),
		does("labels", `charts.every(c => c.canvas.getAttribute('role') === 'img' && c.canvas.getAttribute('aria-label').startsWith(c.title + ', now: '))`, "true"),
		does("no axes without readings", `(chart({ title: 'none yet', series: { none: '--accent' }, format: plain }), charts.pop().plot)`, "null"),
		does("remove that chart", `$('charts').lastElementChild.remove()`, ""))
}

// byKeyboard reaches a form with Tab and sends it twice with Enter: the button must
// keep the focus.
func byKeyboard() []step {
	const focus = `(document.activeElement.tagName + ' ' + (document.activeElement.closest('details')?.id ?? ''))`
	steps := []step{does("start", `(ui.control(0, 'text').value = 'keys', document.activeElement.blur(), scrollTo(0, 0), ui.reached = [])`, "")}
	tab := func(b *tab) {
		for range 40 {
			b.steps(key(kb.Tab), does("note", `ui.reached.push(`+focus+`)`, ""))
			if at, err := b.eval(focus); err != nil || at == "BUTTON api0" {
				return
			}
		}
	}
	steps = append(steps, tab, does("Tab reaches", `['SUMMARY api0', 'TEXTAREA api0', 'BUTTON api0'].filter(e => !ui.reached.includes(e))`, ""))
	for range 2 {
		steps = append(steps, does("clear", `$('api0').querySelector('form pre').textContent = ''`, ""), key(kb.Enter), sees("Enter sends", `ui.answer(0)`, "KEYS"))
	}
	return steps
}

// inTheDark changes the colour scheme while the page is open. The page reads no metrics
// meanwhile, so the charts must be drawn again because of the change.
func inTheDark() []step {
	return []step{
		does("read nothing", `ui.alone()`, ""),
		scheme("light"), sees("light charts", `ui.drawn()`, strings.Repeat(",true false", 4)[1:]),
		scheme("dark"), sees("dark charts", `ui.drawn()`, strings.Repeat(",false true", 4)[1:]),
		does("ground and legend", `getComputedStyle(document.body).backgroundColor + getComputedStyle(document.querySelector('.legend i')).backgroundColor`, "rgb(17, 21, 27)rgb(108, 176, 255)"),
		does("read again", `(poll = ui.reads)`, ""),
	}
}

// TestHomePageRoutes sends to routes that have another meaning in a relative URL: at
// the root, below a prefix, and behind a proxy with a path of its own.
func TestHomePageRoutes(t *testing.T) {
	routes := []string{"/v1:predict", "/v1/models/a:predict", "/käse"}
	declare := func(svc *runtime.App) {
		for i, route := range routes {
			runtime.Handle(svc, "api"+strconv.Itoa(i), func(context.Context, struct{}) (string, error) { return "at " + route, nil }, runtime.Route(route))
		}
	}
	plain := serve(t, "Routes", declare, nil)
	mounted := httptest.NewServer(http.StripPrefix("/team/x", proxyTo(t, plain)))
	t.Cleanup(mounted.Close)
	for name, base := range map[string]string{
		"at the root":    plain,
		"below a prefix": serve(t, "Routes", declare, func(c *config.Config) { c.HTTP.PathPrefix = "/ml" }),
		"mounted":        mounted.URL + "/team/x",
	} {
		t.Run(name, func(t *testing.T) {
			b := browse(t, base+"/")
			b.steps(sees("APIs", `document.querySelectorAll('.api').length`, "3"))
			for i, route := range routes {
				b.steps(does(route, fmt.Sprintf(`ui.press(%d)`, i), "200 OK|at "+route))
			}
		})
	}
}

func proxyTo(t *testing.T, base string) http.Handler {
	t.Helper()
	target := check.Value(url.Parse(base))(t)
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
}

// TestHomePageWithoutMetrics checks that the page says why it has no metrics.
func TestHomePageWithoutMetrics(t *testing.T) {
	for name, test := range map[string]struct{ base, says string }{
		"off":       {serve(t, "Shouter", shouter, func(c *config.Config) { c.Metrics.Enabled = false }), "There are no metrics: metrics.enabled is false."},
		"elsewhere": {serve(t, "Shouter", shouter, nil, runtime.WithMeterProvider(sdkmetric.NewMeterProvider())), "This service uses a MeterProvider of the program."},
	} {
		t.Run(name, func(t *testing.T) {
			b := browse(t, test.base+"/")
			b.steps(
				sees("APIs", `document.querySelectorAll('.api').length`, "1"),
				does("notice", `$('nometrics').textContent.startsWith(`+js(test.says)+`)`, "true"),
				does("links", `[...document.querySelectorAll('footer a')].map(a => a.textContent)`, "OpenAPI,schema,readiness"),
				does("the form", `ui.press(0)`, "200 OK|TEXT"),
				does("no state", `'|' + $('state').textContent`, "|"))
			b.complaints()
		})
	}
}

// TestHomePageLargeResponses sends requests with responses of 20 MB. The page reads and
// shows only the beginning, and offers the whole response as a file.
func TestHomePageLargeResponses(t *testing.T) {
	type row struct {
		ID     int       `json:"id"`
		Name   string    `json:"name"`
		Vector []float64 `json:"vector"`
	}
	rows := make([]row, 345_000)
	for i := range rows {
		rows[i] = row{i, `a "käse"`, []float64{.25, 1.5, -3}}
	}
	listed := check.Value(json.Marshal(rows))(t)
	told, dir := strings.Repeat("Once upon a time, there was a baker. ", 540_000), t.TempDir()
	b := browse(t, serve(t, "Large", func(svc *runtime.App) {
		runtime.Handle(svc, "rows", func(context.Context, struct{}) ([]row, error) { return rows, nil })
		runtime.Handle(svc, "story", func(context.Context, struct{}) (string, error) { return told, nil })
	}, nil)+"/")
	b.steps(sees("APIs", `document.querySelectorAll('.api').length`, "2"),
		does("note the largest part that is read", `(Blob.prototype.read = Blob.prototype.arrayBuffer, window.largest = 0, Blob.prototype.arrayBuffer = function () { window.largest = Math.max(window.largest, this.size); return this.read(); },
			Blob.prototype.text = function () { window.largest = Math.max(window.largest, this.size); return this.read().then(b => new TextDecoder().decode(b)); })`, ""))
	call(b, devtools.SetDownloadBehavior, devtools.SetDownloadBehaviorParams{Behavior: devtools.SetDownloadBehaviorBehaviorAllow, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID, DownloadPath: dir})
	for i, test := range []struct {
		file, begins, more string
		whole              []byte
	}{
		{"rows.json", "[\n  {\n    \"id\": 0,\n    \"name\": \"a \\\"käse\\\"\",\n    \"vector\": [0.25, 1.5, -3]\n  },\n", "… and 19.7 MB more. Download all 19.9 MB", listed},
		{"story.txt", "Once upon a time, there was a baker. Once", "… and 19.7 MB more. Download all 20 MB", []byte(told)},
	} {
		b.steps(
			does(test.file, fmt.Sprintf(`(await ui.press(%d), [ui.status.startsWith('200 OK in '), ui.answer(%[1]d).startsWith(%s), ui.answer(%[1]d).length >= 200000 && ui.answer(%[1]d).length <= 300000])`, i, js(test.begins)), "true,true,true"),
			does("only the beginning is read", `window.largest > 0 && window.largest <= longest`, "true"),
			does("the rest", fmt.Sprintf(`document.querySelectorAll('form pre + p')[%d].textContent`, i), test.more),
			does("download", fmt.Sprintf(`document.querySelectorAll('form pre + p')[%d].querySelector('a').click()`, i), ""))
		eventually(t, test.file, func() bool {
			got, err := os.ReadFile(filepath.Join(dir, test.file))
			return err == nil && bytes.Equal(got, test.whole)
		})
	}
	b.complaints()
}

// TestHomePageCutsResponses compares the shown beginning of a response, without its
// spaces, with the part of the response that the page does not count as the rest.
func TestHomePageCutsResponses(t *testing.T) {
	b := browse(t, serve(t, "Shouter", shouter, nil)+"/")
	for name, test := range map[string]struct{ text, ends string }{
		"numbers":          {`'[' + '1234567,'.repeat(40000) + '1]'`, ` 1234567, `},
		"one number":       {`'1'.repeat(300000)`, ``},
		"a long string":    {`'{"a":"' + 'ä'.repeat(300000) + '"}'`, `ä`},
		"escapes":          {`'["x' + '\\\\'.repeat(300000) + '"]'`, `\\`},
		"lists of numbers": {`'[' + '[1,2.5],'.repeat(40000) + '[]]'`, ``},
		"words":            {`'[' + 'false,'.repeat(60000) + 'null]'`, `,`},
		"nested":           {`'['.repeat(100000) + ']'.repeat(100000)`, `[`},
	} {
		b.steps(does(name, `(async whole => {
			const { shown, rest } = await excerpt(whole);
			const used = await whole.slice(0, whole.size - rest).text();
			return [rest > 0, shown.replace(/\s/g, '') === used, shown.length <= 2 * longest, shown.endsWith(`+js(test.ends)+`)];
		})(new Blob([`+test.text+`], { type: 'application/json' }))`, "true,true,true,true"))
	}
}
