package textrank

import (
	"context"
	"math"
	"strings"
	"unicode"

	"github.com/clipperhouse/uax29/v2/words"
	"github.com/kljensen/snowball/english"
	"gonum.org/v1/gonum/graph/network"
	"gonum.org/v1/gonum/graph/simple"
)

const (
	// damping is the one of Brin and Page (1998), which the TextRank paper uses.
	damping = 0.85
	// tolerance ends PageRank's iteration. The ranks are then within
	// tolerance·damping/(1−damping) of the fixed point: see tie.
	tolerance = 1e-12
)

// rank returns the PageRank of each sentence; they sum to 1. A sentence that
// shares no word with another has the lowest.
func rank(ctx context.Context, sentences []string) ([]float64, error) {
	// The matrix is sparse, but simple's other graphs are maps, whose random
	// order would change the sums.
	graph := simple.NewDirectedMatrix(len(sentences), 0, 0, 0)
	index := newIndex(len(sentences))
	for i, sentence := range sentences {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for j, weight := range index.add(terms(sentence)) {
			if weight > 0 {
				from, to := simple.Node(i), simple.Node(j)
				graph.SetWeightedEdge(simple.WeightedEdge{F: from, T: to, W: weight})
				graph.SetWeightedEdge(simple.WeightedEdge{F: to, T: from, W: weight})
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	byID := network.PageRankSparse(graph, damping, tolerance)
	ranks := make([]float64, len(sentences))
	for i := range ranks {
		ranks[i] = byID[int64(i)]
	}
	return ranks, nil
}

// index is an inverted index. The cost of comparing a sentence with those before it
// depends on the words that they share, not on all their words.
type index struct {
	postings map[string][]int // the sentences that have a term
	sizes    []int            // the number of terms of each sentence
	weights  []float64        // scratch of add
}

func newIndex(sentences int) *index {
	return &index{
		postings: make(map[string][]int),
		sizes:    make([]int, 0, sentences),
		weights:  make([]float64, sentences),
	}
}

// add adds a sentence and returns its similarity to each one before it. The
// slice is valid until the next call.
//
// Similarity is section 4.1 of the TextRank paper with one added to both
// lengths: shared / (log(1+|a|) + log(1+|b|)). The formula of the paper divides by
// zero when both sentences have one word.
func (x *index) add(terms map[string]struct{}) []float64 {
	weights := x.weights[:len(x.sizes)]
	clear(weights)
	for term := range terms {
		for _, j := range x.postings[term] {
			weights[j]++
		}
		x.postings[term] = append(x.postings[term], len(x.sizes))
	}
	own := math.Log1p(float64(len(terms)))
	for j, shared := range weights {
		if shared > 0 {
			weights[j] = shared / (own + math.Log1p(float64(x.sizes[j])))
		}
	}
	x.sizes = append(x.sizes, len(terms))
	return weights
}

// terms returns the stems of the words of a sentence, without stop words. A
// word has a letter or a digit in it.
func terms(sentence string) map[string]struct{} {
	set := make(map[string]struct{})
	word := words.FromString(strings.ToLower(sentence))
	for word.Next() {
		if !strings.ContainsFunc(word.Value(), isWordRune) {
			continue
		}
		// Stemming comes first: it removes the 's of "it's", which leaves a stop word.
		stem := english.Stem(word.Value(), false)
		if !english.IsStopWord(stem) {
			set[stem] = struct{}{}
		}
	}
	return set
}

// isWordRune reports whether a token with r is a word, not space or punctuation.
func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }
