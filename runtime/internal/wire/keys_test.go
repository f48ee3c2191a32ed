package wire

import (
	"reflect"
	"testing"
)

// The keys of other packages are not taken for misspelt keys.
func TestKeysOfOthers(t *testing.T) {
	type input struct {
		A string `json:"a" examples:"[]" sample:"x" defaults:"x" patterns:"x" maximal:"x" minimal:"x" multiple:"x" matter:"x" fault:"x" enums:"x" docs:"x" db:"a" yaml:"a,omitempty"`
	}
	if _, err := NewInput[input](); err != nil {
		t.Error(err)
	}
}

// A tag that Go does not read to its end, and a misspelt json, would turn rules off.
// The types are made here because go vet refuses them in source.
func TestMalformedTags(t *testing.T) {
	const unread = ": Go ignores it and what follows it; write pairs of key:\"value\" with one space between them"
	for tag, want := range map[reflect.StructTag]string{
		`json:"a" minLength: "1"`: `T: tag minLength: "1"` + unread,
		`json:"b", maxLength:"2"`: `T: tag ,` + unread,
		`json: "yy"`:              `T: tag json: "yy"` + unread,
		`JSON:"j"`:                `T: tag JSON:"j": unknown key; did you mean json?`,
		`jsn:"t"`:                 `T: tag jsn:"t": unknown key; did you mean json?`,
		`json:"w,omitemtpy"`:      `T: tag json: option "omitemtpy" is unknown; options are omitempty, omitzero, string, case:strict`,
		`omitempty:"true"`:        `T: tag omitempty:"true": is not read: write json:",omitempty"`,
		`json:"x,case:strict" bson:"x"  yaml:"x,omitempty"`: "",
	} {
		c := &compiler{done: map[reflect.Type]*node{}}
		_, _, err := c.run(reflect.StructOf([]reflect.StructField{{Name: "F", Type: reflect.TypeFor[string](), Tag: tag}}), "T")
		got := ""
		if err != nil {
			got = err.Error()
		}
		if want != "" {
			want = "T.F" + want[1:]
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", tag, got, want)
		}
	}
}
