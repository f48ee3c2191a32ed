package real

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tab is a page in a browser, as whoever sits in front of it has it.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string // exceptions, and what the browser complains of
}

// browse opens a page in a headless Chromium.
func browse(t *testing.T, url string) *tab {
	t.Helper()
	allocator, end := chromedp.NewExecAllocator(t.Context(), chromedp.ExecPath(need(t, "chromium")), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Headless,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	t.Cleanup(end)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.problems = append(b.problems, e.ExceptionDetails.Text+" "+e.ExceptionDetails.Exception.Description)
		case *log.EventEntryAdded:
			b.problems = append(b.problems, e.Entry.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(1200, 1000), chromedp.Navigate(url))
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// text evaluates an expression to a text.
func (b *tab) text(expression string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return text
}

func (b *tab) number(expression string) float64 {
	b.t.Helper()
	n, err := strconv.ParseFloat(b.text(expression), 64)
	if err != nil {
		return -1
	}
	return n
}

func (b *tab) screenshot(name string) {
	b.t.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("..", "..", "docs", name), picture, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

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
		const drawn = `charts.map(c => c.plot.root.querySelector('canvas').toDataURL()).join()`
		before := b.text(drawn)
		eventually(t, "another picture", func() bool { return b.text(drawn) != before })
		if n := b.number(`past.all.filter(v => v > 10).length`); n < 1 {
			t.Errorf("%v readings with traffic", n)
		}
		if state, p50 := b.text(`$('state').textContent`), b.text(`$('p50').textContent`); state != "live" || !strings.HasSuffix(p50, "ms") {
			t.Errorf("%s, p50 %s", state, p50)
		}
	})
	t.Run("an API is tried", func(t *testing.T) { tryAPIs(t, b) })
	t.Run("by keyboard", func(t *testing.T) { byKeyboard(t, b) })
	if *update {
		eventually(t, "some history", func() bool { return b.number(`past.all.filter(v => v > 10).length`) > 15 })
		b.do(chromedp.Evaluate[chromedp.Void](`scrollTo(0, 0)`))
		b.screenshot("page.png")
	}
	t.Run("in the dark", func(t *testing.T) {
		const ground = `getComputedStyle(document.body).backgroundColor`
		light := b.text(ground)
		if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}); err != nil {
			t.Fatal(err)
		}
		if dark := b.text(ground); dark == light {
			t.Errorf("the ground is %s either way", dark)
		}
	})
	t.Run("360 pixels wide", func(t *testing.T) {
		b.do(chromedp.EmulateViewport(360, 740))
		eventually(t, "the layout", func() bool { return b.number(`document.documentElement.scrollWidth`) <= 360 })
	})
	b.mu.Lock()
	if problems := slices.DeleteFunc(slices.Clone(b.problems), func(p string) bool { return strings.Contains(p, "the server responded with a status of") }); len(problems) > 0 {
		t.Errorf("the browser complains: %q", problems)
	}
	b.mu.Unlock()
	t.Run("the server goes away", func(t *testing.T) {
		twin.kill()
		eventually(t, "the state", func() bool { return b.text(`$('state').textContent`) == "the server cannot be reached" })
	})
}

// fill sets a control of an API's form and sends it; it returns what is shown.
func (b *tab) send(api int, name, value string) (status, answer string) {
	b.t.Helper()
	form := fmt.Sprintf(`$('api%d')`, api)
	b.text(fmt.Sprintf(`(%s.open = true, $('api%d-%s').value = %q, %s.querySelector('[role=status]').textContent = '', %s.querySelector('button').click())`, form, api, name, value, form, form))
	eventually(b.t, "an answer", func() bool { return b.text(form+`.querySelector('[role=status]').textContent`) != "" })
	return b.text(form + `.querySelector('[role=status]').textContent`), b.text(form + `.querySelector('pre').textContent`)
}

func tryAPIs(t *testing.T, b *tab) {
	t.Helper()
	if got := b.text(`[...document.querySelectorAll('#list > details > summary')].map(s => s.textContent).join()`); got != "POST /summarize,POST /encode,POST /v1/score" {
		t.Errorf("APIs: %s", got)
	}
	if got := b.text(`$('api0').querySelector('.documentation').textContent`); !strings.Contains(got, "504: Gateway Timeout, application/json") || !strings.Contains(got, `"default": "hello"`) {
		t.Errorf("documentation: %s", got)
	}
	if status, answer := b.send(0, "text", "hello"); !strings.HasPrefix(status, "200 OK in ") || answer != "HELLO" {
		t.Errorf("summarize: %s %s", status, answer)
	}
	if status, answer := b.send(1, "texts", `["a","bb"]`); !strings.HasPrefix(status, "200 OK in ") || !strings.Contains(status, "queue;dur=") || !strings.Contains(answer, "2") {
		t.Errorf("encode: %s %s", status, answer)
	}
	if example := b.text(`$('api2-xs').value`); example != "[1.5]" {
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
	b.text(`($('api0').querySelector('[role=status]').textContent = '', $('api0-text').value = 'keys', document.activeElement.blur(), scrollTo(0, 0))`)
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
	b.do(chromedp.KeyEvent(kb.Enter))
	eventually(t, "the answer", func() bool { return b.text(`$('api0').querySelector('form pre').textContent`) == "KEYS" })
}
