package wire

import (
	"reflect"
	"regexp"
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
// applied would be noticed by nobody. Keys of other packages look otherwise.
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
// min_length), or a long word with one letter wrong or two swapped.
func near(key, right string) bool {
	key, right = strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(key)), strings.ToLower(right)
	if key == right {
		return true
	}
	for _, other := range known { // minItems is no misspelt maxItems
		if key == strings.ToLower(other) {
			return false
		}
	}
	return len(right) > 6 && levenshtein.ComputeDistance(key, right) <= 2
}
