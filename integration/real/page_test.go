package real

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestPage looks at the page of a service as people do: charts move under load,
// an API is tried, an error is shown; by keyboard, in the dark, on a phone, and
// when the server goes away.
func TestPage(t *testing.T) {
	port := freePort(t)
	base := local(port)
	twin := start(t, base+"/readyz", nil, need(t, "twin"), "--port", strconv.Itoa(port), "--set", "logging.access.enabled=false", "--set", "batching.server_timing=true")
	_, stop := traffic(t, base+"/summarize", `{"text":"x"}`)
	defer stop()
	_, stopBatches := traffic(t, base+"/encode", `{"texts":["a","bb"]}`)
	defer stopBatches()
	b := browse(t, base+"/")

	t.Run("charts move under load", func(t *testing.T) {
		eventually(t, "the rate", func() bool { return b.number(`$('rate').textContent`) > 10 })
		// What a chart draws, and not its picture, which moves with the clock.
		const drawn = `Math.min(...charts.map(c => c.plot.data[1].filter(v => v !== null).length))`
		eventually(t, "readings in every chart", func() bool { return b.number(drawn) > 2 })
		if state, p50 := b.text(`$('state').textContent`), b.text(`$('p50').textContent`); state != "live" || !strings.HasSuffix(p50, "ms") {
			t.Errorf("%s, p50 %s", state, p50)
		}
	})
	t.Run("what it looks like", func(t *testing.T) { looks(t, b) })
	t.Run("an API is tried", func(t *testing.T) { tryAPIs(t, b) })
	t.Run("by keyboard", func(t *testing.T) { byKeyboard(t, b) })
	t.Run("in the dark", func(t *testing.T) { inTheDark(t, b) })
	t.Run("360 pixels wide", func(t *testing.T) {
		b.do(chromedp.EmulateViewport(360, 740))
		b.text(`document.querySelectorAll('details').forEach(d => { d.open = true })`)
		eventually(t, "the layout", func() bool { return b.number(`document.documentElement.scrollWidth`) <= 360 })
	})
	if problems := b.complaints(); len(problems) > 0 {
		t.Errorf("the browser complains: %q", problems)
	}
	t.Run("the server goes away", func(t *testing.T) {
		twin.kill()
		eventually(t, "the state", func() bool {
			return b.text(`$('state').textContent`) == "the server cannot be reached; the numbers are old"
		})
	})
}

// send sets a control of an API's form and sends it; it returns what is shown.
func (b *tab) send(api int, name, value string) (status, answer string) {
	b.t.Helper()
	form := fmt.Sprintf(`$('api%d')`, api)
	b.text(fmt.Sprintf(`(%s.open = true, %s.value = %q, %s.querySelector('[role=status]').textContent = '', %s.querySelector('button').click())`, form, control(api, name), value, form, form))
	eventually(b.t, "an answer", func() bool { return b.text(form+`.querySelector('[role=status]').textContent`) != "" })
	return b.text(form + `.querySelector('[role=status]').textContent`), b.text(form + `.querySelector('pre').textContent`)
}

func tryAPIs(t *testing.T, b *tab) {
	t.Helper()
	if got := b.text(`[...document.querySelectorAll('.api > summary > code')].map(s => s.textContent).join()`); got != "/summarize,/encode,/v1/score" {
		t.Errorf("APIs: %s", got)
	}
	const cells = `[...$('api0').querySelectorAll('.documentation tbody tr')].map(row => [...row.cells].map(c => c.textContent).join('|')).join()`
	if got := b.text(cells); !strings.HasPrefix(got, "text|string, optional||hello|,200|Successful Response|text/plain,") || !strings.HasSuffix(got, ",504|Gateway Timeout|application/json") {
		t.Errorf("documentation: %s", got)
	}
	if status, answer := b.send(0, "text", "hello"); !strings.HasPrefix(status, "200 OK in ") || answer != "HELLO" {
		t.Errorf("summarize: %s %s", status, answer)
	}
	if status, answer := b.send(1, "texts", `["a","bb"]`); !strings.HasPrefix(status, "200 OK in ") || !strings.Contains(status, "queue;dur=") || !strings.Contains(answer, "2") {
		t.Errorf("encode: %s %s", status, answer)
	}
	if example := b.text(control(2, "xs") + `.value`); example != "[1.5]" {
		t.Errorf("the example of score is %s", example)
	}
	if status, answer := b.send(0, "text", "boom"); !strings.HasPrefix(status, "500 ") || !strings.Contains(answer, "error") || b.text(`$('api0').querySelector('[role=status]').className`) != "bad" {
		t.Errorf("an error: %s %s", status, answer)
	}
	if status, _ := b.send(1, "texts", `["a",`); status != `texts: must be JSON, such as ["text"]` {
		t.Errorf("what is no JSON: %s", status)
	}
	if status, answer := b.send(1, "texts", `[1]`); !strings.HasPrefix(status, "400 ") || !strings.Contains(answer, "Input should be a valid string") {
		t.Errorf("what is no text: %s %s", status, answer)
	}
}

// byKeyboard goes through the page with the tabulator, and sends with Enter.
func byKeyboard(t *testing.T, b *tab) {
	t.Helper()
	b.text(`($('api0').querySelector('[role=status]').textContent = '', ` + control(0, "text") + `.value = 'keys', document.activeElement.blur(), scrollTo(0, 0))`)
	reached := map[string]bool{}
	for range 40 {
		b.do(chromedp.KeyEvent(kb.Tab))
		at := b.text(`document.activeElement.tagName + ' ' + (document.activeElement.closest('details')?.id ?? '')`)
		reached[at] = true
		if at == "BUTTON api0" {
			break
		}
	}
	for _, want := range []string{"SUMMARY api0", "TEXTAREA api0", "BUTTON api0"} {
		if !reached[want] {
			t.Errorf("%s is not reached: %v", want, reached)
		}
	}
	for range 2 { // the button keeps the focus
		b.text(`($('api0').querySelector('form pre').textContent = '')`)
		b.do(chromedp.KeyEvent(kb.Enter))
		eventually(t, "the answer", func() bool { return b.text(`$('api0').querySelector('form pre').textContent`) == "KEYS" })
	}
}

// inTheDark changes what the user prefers while the page is open. No reading
// comes to the charts' help: they are drawn anew because of the change.
func inTheDark(t *testing.T, b *tab) {
	t.Helper()
	const light, dark = "11,98,196", "108,176,255"
	const drawn = `charts.map(c => {
		const { width, height } = c.plot.ctx.canvas;
		const d = c.plot.ctx.getImageData(0, 0, width, height).data;
		const seen = new Set();
		for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255) seen.add([d[i], d[i + 1], d[i + 2]].join());
		return seen.has('11,98,196') + ' ' + seen.has('108,176,255');
	}).join()`
	b.text(`(window.reads = poll, poll = async () => {})`)
	defer b.text(`(poll = window.reads)`)
	b.scheme("light")
	eventually(t, "charts in "+light, func() bool { return b.text(drawn) == "true false,true false,true false,true false" })
	b.scheme("dark")
	eventually(t, "charts in "+dark, func() bool { return b.text(drawn) == "false true,false true,false true,false true" })
	const colours = `getComputedStyle(document.body).backgroundColor + getComputedStyle(document.querySelector('.legend i')).backgroundColor`
	if got := b.text(colours); got != "rgb(17, 21, 27)rgb(108, 176, 255)" {
		t.Errorf("ground and legend are %s", got)
	}
}

// looks checks what a picture would show: rows that are full, axes with the time
// of day, numbers and words that mislead nobody.
func looks(t *testing.T, b *tab) {
	t.Helper()
	const ends = `['tiles', 'charts'].every(id => Math.abs($(id).lastElementChild.getBoundingClientRect().right - $(id).getBoundingClientRect().right) < 2)`
	for _, width := range []int64{360, 700, 900, 1200} {
		b.do(chromedp.EmulateViewport(width, 1000))
		eventually(t, fmt.Sprintf("full rows at %d pixels", width), func() bool { return b.text(ends) == "true" })
	}
	for expression, want := range map[string]string{
		`[plain(1234.4), plain(123456), plain(12.345), percent(.00396), percent(.25), seconds(.0025), seconds(1.5)]`:                        "1234,123456,12.3,0.4 %,25 %,2.5 ms,1.5 s",
		`$('failing').previousElementSibling.textContent`:                                                                                   "failing status ≥ 500",
		`document.querySelector('header').innerText.includes('available')`:                                                                  "false",
		`['--second', '--third'].some(name => ['--bad', '--good'].some(other => colour(name) === colour(other)))`:                           "false",
		`charts.every(c => c.plot.scales.x.max === past.time.at(-1) && c.plot.scales.x.max - c.plot.scales.x.min >= shortest)`:              "true",
		`charts.every(c => c.canvas.getAttribute('role') === 'img' && c.canvas.getAttribute('aria-label').startsWith(c.title + ', now: '))`: "true",
	} {
		if got := b.text(expression); got != want {
			t.Errorf("%s is %s, want %s", expression, got, want)
		}
	}
	before := b.text(`(chart({ title: 'none yet', series: { none: '--accent' }, format: plain }), charts.pop().plot)`)
	if before != "null" {
		t.Errorf("a chart without readings draws axes: %s", before)
	}
	b.text(`$('charts').lastElementChild.remove()`)
}
