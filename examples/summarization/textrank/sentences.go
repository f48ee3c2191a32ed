package textrank

import (
	"context"
	"regexp"
	"strings"
	"unicode"

	"github.com/clipperhouse/uax29/v2/sentences"
)

// maxGap is the largest number of runes in a row without a letter or a number. The
// rest of such a run is dropped, except white space. For each closing bracket or
// quote after a full stop the segmenter looks ahead for the next letter (UAX #29
// rule SB8), so one full stop and a megabyte of brackets would take minutes.
const maxGap = 64

// split returns the first MaxRanked distinct sentences of text. Each includes the
// space that follows it, if any, so joined sentences have spaces in English and none
// in Chinese.
//
// The boundaries are those of UAX #29, except after an abbreviation.
func split(ctx context.Context, text string) ([]string, error) {
	text = normalize(text)
	var (
		found []string
		start int
		seen  = make(map[string]struct{})
		next  = sentences.FromString(text)
	)
	// The last segment has no space at its end, so it never ends in an
	// abbreviation, and is always found.
	for len(found) < MaxRanked && next.Next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if endsInAbbreviation(next.Value()) {
			continue
		}
		sentence := strings.ReplaceAll(text[start:next.End()], paragraph, " ")
		start = next.End()
		key := strings.TrimSpace(sentence)
		if _, repeated := seen[key]; repeated {
			continue
		}
		seen[key] = struct{}{}
		found = append(found, sentence)
	}
	return found, ctx.Err()
}

// paragraph ends a sentence wherever it stands (UAX #29 rule SB4).
const paragraph = "\n"

var emptyLine = regexp.MustCompile(`\n\s*\n|\x{2029}`)

// normalize replaces each run of white space by one space, or by one paragraph if it
// has an empty line: a single line break does not end a sentence. It removes white
// space at both ends.
func normalize(text string) string {
	paragraphs := emptyLine.Split(strings.Map(gapLimiter(), text), -1)
	kept := paragraphs[:0]
	for _, p := range paragraphs {
		if p = strings.Join(strings.Fields(p), " "); p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, paragraph)
}

// gapLimiter returns a mapping for strings.Map that applies maxGap. White space
// counts but stays, because normalize collapses it.
func gapLimiter() func(rune) rune {
	gap := 0
	return func(r rune) rune {
		gap++
		switch {
		case isWordRune(r):
			gap = 0
		case gap > maxGap && !unicode.IsSpace(r):
			return -1
		}
		return r
	}
}
