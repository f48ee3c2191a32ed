package real

import (
	"context"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime"
)

// edges are values at the ends of what a type has, and texts of several lines.
type edges struct {
	Most    uint64   `json:"most" default:"18446744073709551615"`
	Least   int64    `json:"least" default:"-9223372036854775808"`
	Highest uint64   `json:"highest" minimum:"18446744073709551615"`
	Lowest  int64    `json:"lowest" maximum:"-9223372036854775808"`
	Among   uint64   `json:"among" enum:"18446744073709551615,1"`
	Tiny    float64  `json:"tiny" example:"5e-324"`
	Lines   string   `json:"lines" default:"one\n two\r\n" maxLength:"20"`
	Matched string   `json:"matched" pattern:"^a\n[a-z]+$" example:"a\nb"`
	Long    string   `json:"long" example:"\na\tb"`
	Several string   `json:"several" enum:"a\nb,c"`
	Rate    float64  `json:"rate" minimum:"-0.5" maximum:"-0.25"`
	Limit   *int     `json:"limit"`
	Ratio   *float64 `json:"ratio" minimum:"1"`
	Remark  *string  `json:"remark"`
	Parts   *[]int   `json:"parts"`
}

// TestPageOfEdges compares, byte by byte, what a form sends as it is filled in
// and as it is edited.
func TestPageOfEdges(t *testing.T) {
	svc := runtime.NewService("Edges")
	runtime.Handle(svc, "echo", func(_ context.Context, in edges) (edges, error) { return in, nil })
	b := browse(t, served(t, svc, nil)+"/")
	eventually(t, "the form", func() bool { return b.text(`$('api0') !== null`) == "true" })
	b.text(`(window.real = fetch, window.fetch = (path, o) => { window.posted = o?.body ?? window.posted; return window.real(path, o); }, 0)`)
	sends := func(what, body string) {
		t.Helper()
		b.text(`(window.posted = '')`)
		status, answer := b.press(0)
		if posted := b.text(`window.posted`); posted != body || !strings.HasPrefix(status, "200 OK in ") {
			t.Errorf("%s: %s\n%s\nwant\n%s\n%s", what, status, posted, body, answer)
		}
		for _, shown := range []string{`"most": 18446744073709551615,`, `"least": -9223372036854775808,`} {
			if !strings.Contains(answer, shown) {
				t.Errorf("%s: the answer lacks %s:\n%s", what, shown, answer)
			}
		}
	}
	const numbers = `{"most":18446744073709551615,"least":-9223372036854775808,"highest":18446744073709551615,"lowest":-9223372036854775808,"among":18446744073709551615,"tiny":5e-324`
	const rest = `"matched":"a\nb","long":"\na\tb","several":"a\nb","rate":-0.5`
	sends("as it is filled in", numbers+`,"lines":"one\n two\r\n",`+rest+`}`)
	b.change(0, "most", "0018446744073709551615")
	b.change(0, "lines", "\nthree\n")
	sends("edited", numbers+`,"lines":"\nthree\n",`+rest+`}`)
	for name, value := range map[string]string{"limit": "7", "ratio": "1.25", "remark": "so", "parts": "[3]"} {
		b.change(0, name, value)
	}
	sends("what is optional", numbers+`,"lines":"\nthree\n",`+rest+`,"limit":7,"ratio":1.25,"remark":"so","parts":[3]}`)
	for _, name := range []string{"limit", "ratio", "remark", "parts"} {
		b.change(0, name, "")
	}
	sends("emptied, which a text may be", numbers+`,"lines":"\nthree\n",`+rest+`,"remark":""}`)
}
