package real

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/ekiben-serving/ekiben/runtime"
)

// contrasts are those of everything that is dim: the texts' colours to what is
// behind them, as WCAG has them, and the least of it.
const contrasts = `(() => {
	const channels = colour => colour.match(/[\d.]+/g).map(Number);
	const light = c => c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const contrast = (e, part) => {
		let opacity = 1, ground;
		for (let at = e; at; at = at.parentElement) {
			const style = getComputedStyle(at);
			opacity *= style.opacity;
			const [r, g, b, a] = channels(style.backgroundColor);
			if (a !== 0) ground ??= [r, g, b];
		}
		const text = channels(getComputedStyle(e, part).color).slice(0, 3).map((v, i) => v * opacity + ground[i] * (1 - opacity));
		const [high, low] = [light(text), light(ground)].sort((a, b) => b - a);
		return (high + .05) / (low + .05);
	};
	const dim = [...document.querySelectorAll('.unsent :is(input:not([type=checkbox]), textarea, select)')];
	const small = [...document.querySelectorAll('.tiles small')];
	if (!dim.length || !small.length) return 0;
	return Math.min(...[...dim, ...small].map(e => contrast(e)), ...dim.map(e => contrast(e, '::placeholder')));
})()`

// TestPageAccess has what is dim be legible, what describes a control be there,
// and a state that stays as it is be told once.
func TestPageAccess(t *testing.T) {
	svc := runtime.NewService("Access")
	runtime.Handle(svc, "say", func(_ context.Context, in struct {
		Words  string `json:"two words" doc:"Both."`
		About  string `json:"two words-about,omitempty"`
		Tone   string `json:"tone,omitempty" enum:"low,high"`
		Volume int    `json:"volume,omitempty"`
		Long   string `json:"a_name_that_is_longer_than_a_telephone_is_wide_and_has_nothing_where_it_could_be_broken_into_two_lines,omitempty"`
		Code   string `json:"code,omitempty" pattern:"^[A-Z]{2}$"`
	},
	) (string, error) {
		return in.Words, nil
	})
	b := browse(t, served(t, svc, nil)+"/")
	eventually(t, "the form", func() bool { return b.text(`$('api0') !== null`) == "true" })
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		if least := b.number(contrasts); least < 4.5 {
			t.Errorf("%s: a contrast of %.2f", scheme, least)
		}
	}
	for name, want := range map[string]string{"two words": "string|Both.", "two words-about": "string", "volume": "integer"} {
		if got := b.text(described(0, name)); got != want {
			t.Errorf("%s is described as %s", name, got)
		}
	}
	if twice := b.text(`(ids => ids.length - new Set(ids).size)([...document.querySelectorAll('[id]')].map(e => e.id))`); twice != "0" {
		t.Errorf("%s ids are there twice", twice)
	}
	b.text(`(document.querySelectorAll('details').forEach(d => d.open = true))`)
	for _, width := range []int64{360, 720, 800, 1000} {
		b.do(chromedp.EmulateViewport(width, 740))
		eventually(t, fmt.Sprintf("a layout %d pixels wide", width), func() bool { return b.number(`document.documentElement.scrollWidth`) <= float64(width) })
	}
	eventually(t, "a reading", func() bool { return b.text(`$('state').textContent`) == "live" })
	b.text(`(window.told = 0, new MutationObserver(list => { window.told += list.length; }).observe($('state'), { childList: true, characterData: true, subtree: true }))`)
	readings := b.number(`past.time.length`)
	eventually(t, "two more readings", func() bool { return b.number(`past.time.length`) > readings+1 })
	if told := b.text(`window.told`); told != "0" {
		t.Errorf("the state was told %s times more", told)
	}
}
