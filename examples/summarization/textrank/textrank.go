// Package textrank summarises a text by picking its most central sentences.
//
// It is TextRank (Mihalcea and Tarau, "TextRank: Bringing Order into Texts",
// EMNLP 2004, https://aclanthology.org/W04-3252/): sentences are the nodes of a
// graph, the words that two sentences share give the weight of their edge, and
// PageRank ranks the sentences. There is no training, and a summary consists only of
// sentences of the text.
//
// Stop words and stems are English. In other languages every word counts as it
// is written, in scripts without spaces roughly every character, so the ranking is
// coarser.
package textrank

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// MaxSentences is the largest number of sentences of a summary.
	MaxSentences = 3
	// MaxRanked is how many sentences of a text are ranked, from its start; the
	// rest of a longer text is ignored. It bounds the memory (2 MB for the matrix
	// of the graph) and the time of PageRank, which does not look at its context.
	MaxRanked = 500
	// share is the intended length of a summary, as a part of the text's characters.
	share = 1.0 / 3
)

// tie is the difference below which two ranks count as equal; the earlier sentence
// then goes first. PageRank starts from a random vector and stops within tolerance
// of the result, so equal ranks differ in their last digits from run to run. tie is
// far above these digits and far below any difference that matters.
const tie = 1e-9

// Summarize returns the best sentences of text in their order in the text: as
// many as make the length of the summary closest to a third of that of text, at
// least one and at most [MaxSentences].
//
// The same text gives the same summary. White space is collapsed, repeated
// sentences are used once, invalid UTF-8 becomes U+FFFD. A text without sentences
// gives "". If all sentences have the same rank (no words, only stop words, no word
// in two sentences), the first ones are taken.
//
// The only error is ctx.Err(), which is checked before each sentence.
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
// them by rank as long as each brings the length closer to its target, that is, as
// long as no more than half of the sentence is above the target.
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

// best returns the position of the highest rank that is not taken; of several ranks
// within tie of it, the first one. It returns -1 if all are taken.
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
