package wire

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// known lists the struct tags that this package reads, in addition to json.
var known = []string{
	"default", "doc", "example", "enum", "pattern", "minLength", "maxLength", "minItems", "maxItems",
	"contentType", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
}

// foreign maps the struct tags with which other libraries constrain inputs to an
// advice what to use here.
var foreign = map[string]string{
	"validate": useKnown, "binding": useKnown, "valid": useKnown, "jsonschema": useKnown,
	"form": useJSON, "query": useJSON, "schema": useJSON, "in": useJSON, "header": useHeader, "reqHeader": useHeader, "cookie": useHeader,
	"path": usePath, "uri": usePath, "param": usePath, "params": usePath,
	"format": inFunction, "const": inFunction, "uniqueItems": inFunction, "minProperties": inFunction, "maxProperties": inFunction,
	"required": "a field is required unless it has a default, is a pointer, or is tagged omitempty or omitzero",
	"nullable": "make the field a pointer",
	"optional": "make the field a pointer, or tag it omitempty or with a default",
	"ge":       "use minimum", "min": "use minimum", "gte": "use minimum", "gt": "use exclusiveMinimum",
	"le": "use maximum", "max": "use maximum", "lte": "use maximum", "lt": "use exclusiveMaximum",
	"omitempty": `write json:",omitempty"`, "omitzero": `write json:",omitzero"`,
	"regex": "use pattern", "regexp": "use pattern", "oneof": "use enum", "choices": "use enum", "description": "use doc",
}

const useKnown = "use the tags minimum, maximum, minLength, maxLength, minItems, maxItems, pattern, enum, multipleOf; " +
	"a field is required unless it has a default, is a pointer, or is tagged omitempty or omitzero"

const (
	useJSON    = "a field is a member of the JSON body, named by the tag json"
	useHeader  = useJSON + "; a function reads headers with runtime.RequestFrom(ctx).Header()"
	usePath    = useJSON + "; a function reads path parameters with runtime.RequestFrom(ctx).PathValue(name)"
	inFunction = "check it in the API's function"
)

// jsonOptions are the options of the tag json. Package json has two more: checkTags
// reports format, and case:ignore would fill a field whose rules were not checked.
var jsonOptions = []string{"omitempty", "omitzero", "string", "case:strict"}

// otherOptions maps the options of the tag json that other versions of json have to an
// advice what to do here.
var otherOptions = map[string]string{
	"inline":  embedIt,
	"embed":   embedIt,
	"unknown": "unknown members of an object are ignored; use a map for an object of any members",
	"case":    "a member must be written as the name of its field",
}

const embedIt = "embed the struct without a name in its tag"

// tagKey matches the keys of a struct tag in the conventional form.
var tagKey = regexp.MustCompile(`([^\s":]+):"((?:[^"\\]|\\.)*)"`)

// readable adds an error for a tag that Go does not read to its end, and for a
// misspelt json.
func (c *compiler) readable(sf reflect.StructField, where string) {
	if rest := strings.TrimSpace(tagKey.ReplaceAllString(string(sf.Tag), "")); rest != "" {
		c.failf(where, "tag %s: Go ignores it and what follows it; write pairs of key:\"value\" with one space between them", rest)
	}
	_, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
	for option := range strings.SplitSeq(options, ",") {
		name, _, _ := strings.Cut(option, ":")
		switch {
		case name == "format":
			return
		case name == "" || slices.Contains(jsonOptions, option) || name == "case" && c.output:
		case otherOptions[name] != "":
			c.failf(where, "tag json: option %q is not read: %s", option, otherOptions[name])
		default:
			c.failf(where, "tag json: option %q is unknown; options are %s", option, strings.Join(jsonOptions, ", "))
		}
	}
	for _, match := range tagKey.FindAllStringSubmatch(string(sf.Tag), -1) {
		if key := match[1]; key != "json" && key != "bson" && levenshtein.ComputeDistance(strings.ToLower(key), "json") <= 1 {
			c.failf(where, "tag %s: unknown key; did you mean json?", match[0])
		}
	}
}

// keys adds an error for a tag that has no effect but is meant as a rule: a key of
// another library, or a misspelt key of known. Without the error, the missing rule
// would not be noticed.
func (c *compiler) keys(sf reflect.StructField, where string) {
	for _, match := range tagKey.FindAllStringSubmatch(string(sf.Tag), -1) {
		key, value := match[1], match[2]
		if use := foreign[key]; use != "" && value != "-" && value != "" {
			c.failf(where, "tag %s: is not read: %s", match[0], use)
			continue
		}
		for _, right := range known {
			if key != right && near(key, right) {
				c.failf(where, "tag %s: unknown key; did you mean %s?", match[0], right)
				break
			}
		}
	}
}

// near reports whether key is probably a misspelling of right: it differs in case or
// separators (minlength, min_length), or it is a long word with one wrong letter or
// two swapped neighbours. Keys of other packages, such as examples, are not near.
func near(key, right string) bool {
	key, right = strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(key)), strings.ToLower(right)
	switch {
	case key == right:
		return true
	case len(right) < 7, key == right+"s":
		return false
	case slices.ContainsFunc(known, func(other string) bool { return key == strings.ToLower(other) }):
		return false // minItems is not a misspelt maxItems
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
