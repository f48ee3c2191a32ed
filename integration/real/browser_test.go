package real

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/ekiben-serving/ekiben/internal/check"
)

// browser is the Chromium of all tests. The first test that needs it starts it.
var browser struct {
	sync.Once
	ctx context.Context
	end context.CancelFunc
}

func TestMain(m *testing.M) {
	m.Run()
	if browser.end != nil {
		browser.end()
	}
}

// tab is a page in the browser.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string // exceptions and errors in the console
}

// browse opens a page in a window of its own, with the helpers of home.js.
func browse(t *testing.T, url string) *tab {
	t.Helper()
	browser.Do(func() {
		allocator, end := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(need(t, "chromium")), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Headless,
			chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
		browser.ctx, _ = chromedp.NewContext(allocator)
		browser.end = end
		check.Must(t, chromedp.Do(browser.ctx))
	})
	ctx, closeTab := chromedp.NewContext(browser.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(closeTab)
	b := &tab{t: t, ctx: ctx}
	check.Must(t, chromedp.Listen(ctx, b.listen))
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: read(t, "testdata", "home.js")})
	b.do(chromedp.EmulateViewport(1200, 1000), chromedp.Navigate(url))
	return b
}

// listen keeps exceptions and errors, except for those that the tests cause: error
// statuses, streams that are cut, and reading the pixels of a chart.
func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Text+" "+e.ExceptionDetails.Exception.Description)
	case *log.EventEntryAdded:
		if !strings.Contains(e.Entry.Text, "the server responded with a status of") && !strings.HasSuffix(e.Entry.Text, "ERR_INCOMPLETE_CHUNKED_ENCODING") && !strings.HasPrefix(e.Entry.Text, "Canvas2D: Multiple readback") {
			b.problems = append(b.problems, e.Entry.Text)
		}
	}
}

// complaints reports each exception and each error in the console as a test error.
func (b *tab) complaints() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		b.t.Errorf("the browser complains: %s", problem)
	}
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	check.Must(b.t, chromedp.Do(b.ctx, actions...))
}

// eval evaluates an expression, or a promise, to a string.
func (b *tab) eval(expression string) (string, error) {
	return chromedp.Run(b.ctx, chromedp.Evaluate[string]("(async () => String(await ("+expression+")))()", chromedp.EvalAwaitPromise))
}

// call calls a command of the browser on the tab.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

// step is one step of a test in the browser.
type step func(*tab)

func (b *tab) steps(steps ...step) {
	b.t.Helper()
	for _, s := range steps {
		s(b)
	}
}

// does evaluates an expression once. Its value must be want; "" accepts any.
func does(name, expression, want string) step {
	return func(b *tab) {
		b.t.Helper()
		got, err := b.eval(expression)
		if err != nil {
			b.t.Fatalf("%s: %v: %s", name, err, expression)
		}
		if want != "" && got != want {
			b.t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// sees waits until the value of an expression is want.
func sees(name, expression, want string) step {
	return func(b *tab) {
		b.t.Helper()
		var got string
		var err error
		if !waitFor(func() bool { got, err = b.eval(expression); return err == nil && got == want }) {
			b.t.Fatalf("%s: got %s, want %s: %v", name, cmp.Or(got, `""`), want, err)
		}
	}
}

// wide sets the width of the window in pixels.
func wide(pixels int64) step {
	return func(b *tab) { b.do(chromedp.EmulateViewport(pixels, 1000)) }
}

// scheme sets the colour scheme that the user prefers: light or dark.
func scheme(name string) step {
	return func(b *tab) {
		call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
	}
}

// key presses a key.
func key(name string) step { return func(b *tab) { b.do(chromedp.KeyEvent(name)) } }

// js returns a value as a JavaScript literal.
func js(v any) string {
	literal, err := json.Marshal(v)
	if err != nil {
		return "undefined"
	}
	return string(literal)
}

// screenshot writes a picture of the page into docs. It has 256 colours, which looks the
// same and needs half the bytes.
func (b *tab) screenshot(name string) {
	b.t.Helper()
	picture := check.Value(chromedp.Run(b.ctx, chromedp.CaptureScreenshot()))(b.t)
	decoded := check.Value(png.Decode(bytes.NewReader(picture)))(b.t)
	counts, bounds := map[color.Color]int{}, decoded.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[decoded.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return counts[b] - counts[a] })
	small := image.NewPaletted(bounds, colours[:min(len(colours), 256)])
	draw.Draw(small, bounds, decoded, bounds.Min, draw.Src)
	var file bytes.Buffer
	check.Must(b.t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&file, small))
	check.Must(b.t, os.WriteFile(filepath.Join(root, "docs", name), file.Bytes(), 0o600))
}
