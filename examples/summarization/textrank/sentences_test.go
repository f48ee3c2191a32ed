package textrank

import (
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string
		want []string
	}{
		{"spaces follow", "One.  Two! Three", []string{"One. ", "Two! ", "Three"}},
		{"no spaces", "一。二！三", []string{"一。", "二！", "三"}},
		{"titles", "Dr. Smith met Mrs. Jones. They left.", []string{"Dr. Smith met Mrs. Jones. ", "They left."}},
		{"in brackets", "He saw him (Prof. Smith). Then left.", []string{"He saw him (Prof. Smith). ", "Then left."}},
		{"e.g.", "Pets, e.g. Cats, jump. Dogs bark.", []string{"Pets, e.g. Cats, jump. ", "Dogs bark."}},
		{"initials", "John F. Kennedy spoke. So did I. The end.",
			[]string{"John F. Kennedy spoke. ", "So did I. ", "The end."}},
		{"left to UAX #29", "It is 3.5 p.m. in the U.S. Everyone sleeps.",
			[]string{"It is 3.5 p.m. in the U.S. ", "Everyone sleeps."}},
		{"abbreviation at the end", "I saw the Dr.", []string{"I saw the Dr."}},
		{"abbreviation ends a paragraph", "I saw the Dr.\n\nHe left.", []string{"I saw the Dr. ", "He left."}},
		{"heading", "The news\r\n\r\nCats jump", []string{"The news ", "Cats jump"}},
		{"paragraph separator", "The news\u2029Cats jump", []string{"The news ", "Cats jump"}},
		{"quotation", "He said 'jump.' She did.", []string{"He said 'jump.' ", "She did."}},
		{"long rule", "Cats" + strings.Repeat("-", 100) + " jump. Dogs",
			[]string{"Cats" + strings.Repeat("-", maxGap) + " jump. ", "Dogs"}},
		{"repeated", "Yes. No. Yes.", []string{"Yes. ", "No. "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := check.Value(split(t.Context(), tt.text))(t)
			if !slices.Equal(got, tt.want) {
				t.Errorf("split(%q)\n got %q\nwant %q", tt.text, got, tt.want)
			}
		})
	}
}
