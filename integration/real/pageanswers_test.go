package real

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/ekiben-serving/ekiben/runtime"
)

// TestPageOfLargeAnswers has answers of 20 MB: the beginning is shown, the page
// goes on as if they were small, and the whole can be had.
func TestPageOfLargeAnswers(t *testing.T) {
	type row struct {
		ID     int       `json:"id"`
		Name   string    `json:"name"`
		Vector []float64 `json:"vector"`
	}
	var rows []row
	for i := range 345_000 {
		rows = append(rows, row{i, `a "käse"`, []float64{.25, 1.5, -3}})
	}
	listed, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	told := strings.Repeat("Once upon a time, there was a baker. ", 540_000)
	svc := runtime.NewService("Large")
	runtime.Handle(svc, "rows", func(context.Context, struct{}) ([]row, error) { return rows, nil })
	runtime.Handle(svc, "story", func(context.Context, struct{}) (string, error) { return told, nil })
	b := browse(t, served(t, svc, nil)+"/")
	eventually(t, "the APIs", func() bool { return b.number(`document.querySelectorAll('.api').length`) == 2 })
	dir := t.TempDir()
	if _, err := chromedp.Call(b.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir}); err != nil {
		t.Fatal(err)
	}
	for i, test := range []struct {
		file, begins, more string
		whole              []byte
	}{
		{"rows.json", "[\n  {\n    \"id\": 0,\n    \"name\": \"a \\\"käse\\\"\",\n    \"vector\": [0.25, 1.5, -3]\n  },\n", "… and 19.7 MB more. Download all 19.9 MB", listed},
		{"story.txt", "Once upon a time, there was a baker. Once", "… and 19.7 MB more. Download all 20 MB", []byte(told)},
	} {
		b.text(`(window.tick = performance.now(), window.gap = 0, window.ticks = setInterval(() => { const now = performance.now(); window.gap = Math.max(window.gap, now - window.tick); window.tick = now; }, 10))`)
		status, answer := b.press(i)
		clicked := time.Now()
		b.do(chromedp.Click(`#api1 > summary`))
		if waited := time.Since(clicked); waited > time.Second {
			t.Errorf("%s: a click took %v", test.file, waited)
		}
		if gap := b.number(`(clearInterval(window.ticks), window.gap)`); gap > 1000 {
			t.Errorf("%s: the page stood still for %v ms", test.file, gap)
		}
		if !strings.HasPrefix(status, "200 OK in ") || !strings.HasPrefix(answer, test.begins) || len(answer) < 200_000 || len(answer) > 300_000 {
			t.Errorf("%s: %s %d %.100s", test.file, status, len(answer), answer)
		}
		const more = `document.querySelectorAll('form pre + p')`
		link := more + `[` + string(rune('0'+i)) + `]`
		if said := b.text(link + `.textContent`); said != test.more {
			t.Errorf("%s: %s", test.file, said)
		}
		b.text(link + `.querySelector('a').click()`)
		eventually(t, test.file, func() bool {
			got, err := os.ReadFile(filepath.Join(dir, test.file))
			return err == nil && bytes.Equal(got, test.whole)
		})
	}
	if problems := b.complaints(); len(problems) > 0 {
		t.Errorf("the browser complains: %q", problems)
	}
}

// TestPageCutsAnswers compares what is shown of an answer, without its spaces,
// with as much of the answer as is not said to come after it.
func TestPageCutsAnswers(t *testing.T) {
	b := browse(t, served(t, shouter(), nil)+"/")
	eventually(t, "the scripts", func() bool { return b.text(`typeof poll`) == "function" })
	for name, test := range map[string]struct{ text, ends string }{
		"numbers":          {`'[' + '1234567,'.repeat(40000) + '1]'`, ` 1234567, `},
		"one number":       {`'1'.repeat(300000)`, ``},
		"a long text":      {`'{"a":"' + 'ä'.repeat(300000) + '"}'`, `ä`},
		"escapes":          {`'["x' + '\\\\'.repeat(300000) + '"]'`, `\\`},
		"lists of numbers": {`'[' + '[1,2.5],'.repeat(40000) + '[]]'`, ``},
		"words":            {`'[' + 'false,'.repeat(60000) + 'null]'`, `,`},
		"nested":           {`'['.repeat(100000) + ']'.repeat(100000)`, `[`},
	} {
		b.text(`(window.cut = '', window.whole = new Blob([` + test.text + `], { type: 'application/json' }), excerpt(window.whole).then(async ({ shown, rest }) => {
			const used = await window.whole.slice(0, window.whole.size - rest).text();
			window.cut = [rest > 0, shown.replace(/\s/g, '') === used, shown.length <= 2 * longest, shown].join('|');
		}), 0)`)
		eventually(t, name, func() bool { return b.text(`window.cut`) != "" })
		if got := b.text(`window.cut`); !strings.HasPrefix(got, "true|true|true|") || !strings.HasSuffix(got, test.ends) {
			t.Errorf("%s: %.40s … %q", name, got, got[max(0, len(got)-20):])
		}
	}
}
