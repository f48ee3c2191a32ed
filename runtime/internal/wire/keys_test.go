package wire

import "testing"

// The keys of other packages are not taken for misspelt keys.
func TestKeysOfOthers(t *testing.T) {
	type input struct {
		A string `json:"a" examples:"[]" sample:"x" defaults:"x" patterns:"x" maximal:"x" minimal:"x" multiple:"x" matter:"x" fault:"x" enums:"x" docs:"x" db:"a" yaml:"a,omitempty"`
	}
	if _, err := NewInput[input](); err != nil {
		t.Error(err)
	}
}
