// Package features turns a text into a vector of fixed size with which texts
// can be compared: the more words, or parts of words, two texts share, the
// larger the dot product of their vectors.
//
// It is the hashing trick (Weinberger et al., "Feature Hashing for Large Scale
// Multitask Learning", ICML 2009, https://arxiv.org/abs/0902.2206): a feature's
// hash gives the component in which it is counted, and the sign. Features that share
// a component cancel on average, and no vocabulary is needed.
package features

import (
	"iter"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/cespare/xxhash/v2"
	"github.com/clipperhouse/uax29/v2/words"
	"github.com/kljensen/snowball/english"
)

// Vector returns the features of text as dims numbers of Euclidean length 1, so
// that the dot product of two vectors is their cosine similarity: 1 for the
// same words in any order, about 0 for texts with nothing in common.
//
// The vector of a text without words (no letter and no number in it) is all
// zeros, which is similar to no other vector. dims below 1 gives nil.
//
// The features are those of fastText (Bojanowski et al. 2017,
// https://arxiv.org/abs/1607.04606) for n = 3: each word in lower case, and the
// trigrams of its characters, between "<" and ">". Trigrams make "leap" and
// "leaping" similar in any language. English stop words have no trigrams, and counts
// are replaced by their square root, so that "the" does not outweigh the rest
// (Perronnin et al., "Improving the Fisher Kernel", ECCV 2010).
//
// The same text and dims give the same vector in every process and on every
// machine: xxHash64 has no seed, and sums of whole numbers do not depend on their
// order. With few dims features collide; 256 are enough for a text of a page.
func Vector(text string, dims int) []float32 {
	if dims < 1 {
		return nil
	}
	counts := count(text, dims)
	var total float64
	for _, c := range counts {
		total += math.Abs(c)
	}
	vector := make([]float32, dims)
	if total == 0 {
		return vector
	}
	for i, c := range counts {
		// The squares of the roots of the counts sum to total, so dividing by
		// total inside the root also makes the length 1.
		vector[i] = float32(math.Copysign(math.Sqrt(math.Abs(c)/total), c))
	}
	return vector
}

// count returns the signed counts of the features of text. They are all zero
// only if text has no word.
func count(text string, dims int) []float64 {
	counts := make([]float64, dims)
	first := -1
	for feature := range each(text) {
		component, sign := bucket(feature, dims)
		if first < 0 {
			first = component
		}
		counts[component] += sign
	}
	if first >= 0 && !slices.ContainsFunc(counts, func(c float64) bool { return c != 0 }) {
		// All features cancelled out, which can happen with one dimension.
		counts[first] = 1
	}
	return counts
}

// bucket returns the component in which a feature is counted, and 1 or -1. They come
// from different bits of one hash.
func bucket(feature string, dims int) (component int, sign float64) {
	hash := xxhash.Sum64String(feature)
	sign = 1
	if hash&1 == 1 {
		sign = -1
	}
	return int((hash >> 1) % uint64(dims)), sign
}

// each yields the features of text: every word between "<" and ">", and its
// trigrams unless it is a stop word.
func each(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		word := words.FromString(strings.ToLower(text))
		for word.Next() {
			if !strings.ContainsFunc(word.Value(), isWordRune) {
				continue
			}
			marked := []rune("<" + word.Value() + ">")
			if !yield(string(marked)) {
				return
			}
			if english.IsStopWord(word.Value()) {
				continue
			}
			for i := range len(marked) - 2 {
				if !yield(string(marked[i : i+3])) {
					return
				}
			}
		}
	}
}

// isWordRune reports whether a token with r is a word, not space or punctuation.
func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }
