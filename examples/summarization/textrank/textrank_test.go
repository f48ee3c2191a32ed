package textrank

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ekiben-serving/ekiben/internal/check"
)

const whiskers = `Breaking News: In an astonishing turn of events, the small town of Willow Creek ` +
	`has been taken by storm as local resident Jerry Thompson's cat, Whiskers, performed what ` +
	`witnesses are calling a 'miraculous and gravity-defying leap.' Eyewitnesses report that ` +
	`Whiskers, an otherwise unremarkable tabby cat, jumped a record-breaking 20 feet into the ` +
	`air to catch a fly. The event, which took place in Thompson's backyard, is now being ` +
	`investigated by scientists for potential breaches in the laws of physics. Local ` +
	`authorities are considering a town festival to celebrate what is being hailed as ` +
	`'The Leap of the Century."`

const whiskersSummary = `Breaking News: In an astonishing turn of events, the small town of ` +
	`Willow Creek has been taken by storm as local resident Jerry Thompson's cat, Whiskers, ` +
	`performed what witnesses are calling a 'miraculous and gravity-defying leap.'`

// coffee has its main points in the second and the fifth sentence. The other
// sentences share no words with them.
const coffee = `I woke up early. Coffee prices rose to a record as drought hit the harvest in Brazil. ` +
	`My neighbour paints boats and his sister teaches chess. It rained a little. Roasters say the harvest in Brazil will keep ` +
	`coffee prices at a record. Nobody knows where the dog went. ` +
	`Trains run on Sundays too, and the museum opens at noon. Our printer has no paper left. ` +
	`Gulls nest under the old pier, where children fly kites.`

var summaries = []struct {
	name string
	text string
	want string
}{
	{"sample", whiskers, whiskersSummary},
	{"gist in the middle, original order", coffee, "Coffee prices rose to a record as drought " +
		"hit the harvest in Brazil. Roasters say the harvest in Brazil will keep coffee prices at a record."},
	{"best last, original order", "Cats jump high up there. Dogs bark. It rained all day long. We had soup with bread. " +
		"Cats jump, dogs bark.", "Dogs bark. Cats jump, dogs bark."},
	{"empty", "", ""},
	{"only white space", " \n\t\u2029 ", ""},
	{"one sentence", "  The cat\n jumped. ", "The cat jumped."},
	{"no full stop", "the cat jumped", "the cat jumped"},
	{"one word twice", "Cats. Dogs bark at cats.", "Cats."},
	{"repeated sentence", "Cats jump. Cats jump. Cats jump.", "Cats jump."},
	{"no letters", "!!!\n\n??? ...", "!!!"},
	{"only digits", "123. 456.", "123."},
	{"only stop words", "It is what it is. Who are you? I am.", "It is what it is."},
	{"stop words do not connect", "You and I will be there. Cats jump. Cats sleep. You and I were there.",
		"Cats jump. Cats sleep."},
	{"stems connect", "Dogs bark. A leaping cat. Cats leap.", "A leaping cat."},
	{"line breaks in a sentence", "The cat\njumped high. Dogs\r\nbark. Cats jumped.", "The cat jumped high."},
	{"invalid UTF-8", "Caf\xff cats jump.", "Caf\uFFFD cats jump."},
	{"no spaces between sentences", "猫跳了。狗叫了。猫又跳了一次。鸟飞走了。它们说猫跳了。天下雨了。",
		"猫跳了。猫又跳了一次。"},
	{"Cyrillic", "Шёл дождь. Кошка Мурка прыгнула. Прыгнула и собака. Кошка Мурка спит.", "Кошка Мурка прыгнула."},
	{"Thai, without full stops", "แมวกระโดด หมาเห่า", "แมวกระโดด หมาเห่า"},
	{"Arabic", "قفزت القطة. نبح الكلب. نامت القطة. قفزت القطة ثم نامت.", "قفزت القطة ثم نامت."},
}

func TestSummarize(t *testing.T) {
	for _, tt := range summaries {
		t.Run(tt.name, func(t *testing.T) {
			got := check.Value(Summarize(t.Context(), tt.text))(t)
			if got != tt.want {
				t.Errorf("Summarize(%q)\n got %q\nwant %q", tt.text, got, tt.want)
			}
		})
	}
}

// TestSummarizeIsDeterministic breaks ties: every sentence of the ring
// shares one word with the one before it and one with the one after it.
func TestSummarizeIsDeterministic(t *testing.T) {
	var ring strings.Builder
	for i := range 30 {
		fmt.Fprintf(&ring, "W%dx w%dx. ", i, (i+1)%30)
	}
	for range 100 {
		got := check.Value(Summarize(t.Context(), ring.String()))(t)
		if want := "W0x w1x. W1x w2x. W2x w3x."; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestSummarizeLongText(t *testing.T) {
	text := article(10_000)
	got := check.Value(Summarize(t.Context(), text))(t)
	head := check.Value(split(t.Context(), text))(t)
	if len(head) != MaxRanked {
		t.Errorf("%d sentences ranked, want %d", len(head), MaxRanked)
	}
	want := check.Value(Summarize(t.Context(), strings.Join(head, "")))(t)
	if got != want {
		t.Errorf("got %q, want the summary of the first %d sentences, %q", got, MaxRanked, want)
	}
	if n := strings.Count(got, "."); n != MaxSentences {
		t.Errorf("got %d sentences, want %d: %q", n, MaxSentences, got)
	}
}

// TestSummarizeDoesNotStall has texts that make a segmenter look ahead for ever.
// Without a limit, the first one takes more than a minute.
func TestSummarizeDoesNotStall(t *testing.T) {
	for _, text := range []string{
		"a." + strings.Repeat(")", 1<<18),
		"a." + strings.Repeat(") ", 1<<18),
		"a." + strings.Repeat("\u0301)", 1<<18),
		strings.Repeat("Dr. ", 1<<18) + "B. C.",
		strings.Repeat("a", 1<<18) + ". B.",
	} {
		start := time.Now()
		if _, err := Summarize(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%.10q… took %v", text, took)
		}
	}
}

// countdown is a context that ends after a number of calls of Err.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	c.left--
	if c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestSummarizeStopsWithItsContext(t *testing.T) {
	const sentences = 20
	text := article(sentences)
	// Once per sentence in split and in rank, and once after each of them.
	const looks = 2*sentences + 2
	for left := range looks {
		got, err := Summarize(&countdown{t.Context(), left}, text)
		if got != "" || !errors.Is(err, context.Canceled) {
			t.Errorf("ended at look %d: got %q, %v; want %v", left, got, err, context.Canceled)
		}
	}
	if _, err := Summarize(&countdown{t.Context(), looks}, text); err != nil {
		t.Errorf("ended after the last look: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Summarize(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("empty text: got %v, want %v", err, context.Canceled)
	}
}

func FuzzSummarize(f *testing.F) {
	for _, tt := range summaries {
		f.Add(tt.text)
	}
	f.Add(`Dr. J. Doe said "no." (i.e. yes.) Then — 3.5% of U.S. cats… left?!`)
	f.Fuzz(func(t *testing.T, text string) {
		got := check.Value(Summarize(t.Context(), text))(t)
		if !utf8.ValidString(got) || got != strings.Join(strings.Fields(got), " ") {
			t.Errorf("summary %q is not valid UTF-8 with single spaces", got)
		}
		if utf8.RuneCountInString(got) > utf8.RuneCountInString(text) {
			t.Errorf("summary %q is longer than its text %q", got, text)
		}
		if (got == "") != (strings.TrimSpace(text) == "") {
			t.Errorf("summary %q of text %q", got, text)
		}
		again, err := Summarize(t.Context(), text)
		if err != nil || again != got {
			t.Errorf("first %q, then %q, %v", got, again, err)
		}
	})
}

func BenchmarkSummarize(b *testing.B) {
	for _, bb := range []struct{ name, text string }{
		{"sample", whiskers},
		{"sentences=200", article(200)},
		{"sentences=10000", article(10_000)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.text)))
			for b.Loop() {
				if _, err := Summarize(b.Context(), bb.text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// article returns n distinct sentences of 17 words, drawn with a fixed seed
// from 2,000 words of which, as in prose, a few are frequent.
func article(n int) string {
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 4, 1999)
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "S%d", i)
		for range 16 {
			fmt.Fprintf(&text, " w%dx", zipf.Uint64())
		}
		text.WriteString(". ")
	}
	return text.String()
}
