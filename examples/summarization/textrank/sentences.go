package textrank

import (
	"context"
	"regexp"
	"strings"
	"unicode"

	"github.com/clipperhouse/uax29/v2/sentences"
)

// maxGap is the most runes in a row without a letter or a number among them;
// the rest of such a run is dropped, white space excepted. For each closing
// bracket or quote after a full stop the segmenter looks ahead for the next
// letter (UAX #29 rule SB8), so that one full stop and a megabyte of brackets
// would take it minutes.
const maxGap = 64

// split returns the distinct sentences of text, the first MaxRanked of them,
// each with the space that follows it, if one does: joined again, Chinese
// sentences stay without spaces and English ones with them.
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
	// The last segment ends in no space, hence in no abbreviation, and is found.
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

// normalize returns text with each run of white space as one space, or as one
// paragraph when there is an empty line in it: a line break alone is where a
// line was full, not where a sentence ended. No white space is left at either
// end.
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
// counts but stays: collapsing it is what bounds it.
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
