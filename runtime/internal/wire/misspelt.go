package wire

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// known are the keys of struct tags that the wire reads, but for json.
var known = []string{
	"default", "doc", "example", "enum", "pattern", "minLength", "maxLength", "minItems", "maxItems",
	"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
}

// tagKey matches the keys of a struct tag in the conventional form.
var tagKey = regexp.MustCompile(`([^\s":]+):"(?:[^"\\]|\\.)*"`)

// misspelt fails for a key that is nearly one of known: a rule that is not
// applied would be noticed by nobody. It must be so near that it is no key of
// another package, such as examples.
func (c *compiler) misspelt(sf reflect.StructField, where string) {
	for _, match := range tagKey.FindAllStringSubmatch(string(sf.Tag), -1) {
		for _, right := range known {
			if key := match[1]; key != right && near(key, right) {
				c.failf(where, "tag %s: unknown key; did you mean %s?", match[0], right)
				break
			}
		}
	}
}

// near says whether key is right in another case or with separators (minlength,
// min_length), or a long word with one letter wrong or two neighbours swapped.
func near(key, right string) bool {
	key, right = strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(key)), strings.ToLower(right)
	switch {
	case key == right:
		return true
	case len(right) < 7, key == right+"s":
		return false
	case slices.ContainsFunc(known, func(other string) bool { return key == strings.ToLower(other) }):
		return false // minItems is no misspelt maxItems
	}
	return levenshtein.ComputeDistance(key, right) == 1 || swapped(key, right)
}

func swapped(key, right string) bool {
	for i := range len(key) - 1 {
		if key[:i]+key[i+1:i+2]+key[i:i+1]+key[i+2:] == right {
			return true
		}
	}
	return false
}
