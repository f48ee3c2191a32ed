// Package textrank summarises a text by picking the sentences that say most of
// what the others say.
//
// It is TextRank (Mihalcea and Tarau, "TextRank: Bringing Order into Texts",
// EMNLP 2004, https://aclanthology.org/W04-3252/): sentences are the nodes of a
// graph, the words two of them share are the weight of the edge between them,
// and PageRank says which sentences the others point to. Nothing is trained and
// nothing is made up: a summary consists of sentences of the text.
//
// Stop words and stems are English. In other languages every word counts as it
// is written, in scripts without spaces every character or so; the ranking is
// coarser there, and still a ranking.
package textrank

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// MaxSentences is the most sentences a summary has.
	MaxSentences = 3
	// MaxRanked is how many sentences of a text are ranked, from its start; a
	// longer text is summarised from those. The graph may have an edge between
	// any two of them, so that this bounds the memory (2 MB for its matrix) and
	// the one step that does not look at its context, the PageRank.
	MaxRanked = 500
	// share is the part of the text, in characters, a summary aims at.
	share = 1.0 / 3
)

// tie is how near two ranks count as equal, in which case the earlier sentence
// goes first. PageRank starts from a random vector and stops within tolerance
// of the answer, so that equal ranks differ in their last digits from run to
// run; tie is far above those digits and far below any difference that matters.
const tie = 1e-9

// Summarize returns the best sentences of text in their order in the text: as
// many as bring the summary nearest to a third of its characters, at least one
// and at most [MaxSentences].
//
// The same text gives the same summary. White space is collapsed, sentences
// repeated word for word are used once, invalid UTF-8 becomes U+FFFD. A text
// without sentences gives "", and of a text with nothing to rank by (no words,
// only stop words, no word in two sentences) the first sentences are the best.
//
// The error is ctx.Err(), looked at before each sentence, and nothing else.
func Summarize(ctx context.Context, text string) (string, error) {
	sentences, err := split(ctx, text)
	if err != nil {
		return "", err
	}
	if len(sentences) < 2 {
		return strings.TrimSpace(strings.Join(sentences, "")), nil
	}
	ranks, err := rank(ctx, sentences)
	if err != nil {
		return "", err
	}
	var summary strings.Builder
	for _, i := range pick(sentences, ranks) {
		summary.WriteString(sentences[i])
	}
	return strings.TrimSpace(summary.String()), nil
}

// pick returns the positions of the sentences of a summary, ascending. It takes
// them by rank as long as each brings the length nearer to its target, which is
// as long as no more than half of it goes beyond.
func pick(sentences []string, ranks []float64) []int {
	total := 0
	for _, s := range sentences {
		total += utf8.RuneCountInString(s)
	}
	missing := share * float64(total)
	var picked []int
	for len(picked) < min(MaxSentences, len(sentences)) {
		i := best(ranks, picked)
		length := float64(utf8.RuneCountInString(sentences[i]))
		if len(picked) > 0 && length/2 > missing {
			break
		}
		missing -= length
		picked = append(picked, i)
	}
	slices.Sort(picked)
	return picked
}

// best returns the position of the highest of ranks that is not among taken,
// the first of several within tie of it; -1 when all are taken.
func best(ranks []float64, taken []int) int {
	top := -1
	for i, r := range ranks {
		if slices.Contains(taken, i) {
			continue
		}
		if top < 0 || r > ranks[top]+tie {
			top = i
		}
	}
	return top
}
