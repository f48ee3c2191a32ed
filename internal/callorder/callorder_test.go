package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

var row = regexp.MustCompile("(?m)^\\| `([a-z0-9]+\\.go)` \\|")

// The files of package runtime call only files that stand below them in
// CONTRIBUTING.md.
func TestCallsOfRuntimeRunDownwards(t *testing.T) {
	page := check.Value(os.ReadFile("../../CONTRIBUTING.md"))(t)
	_, list, _ := strings.Cut(string(page), "<!-- begin order -->")
	list, _, ok := strings.Cut(list, "<!-- end order -->")
	if !ok {
		t.Fatal("CONTRIBUTING.md: must have the order of the files of runtime between its marks, found none")
	}
	var order []string
	for _, found := range row.FindAllStringSubmatch(list, -1) {
		order = append(order, found[1])
	}
	calls := check.Value(upward("../../runtime", order))(t)
	for _, c := range calls {
		t.Error(c)
	}
}

// A call against the order is found.
func TestUpwardCallIsFound(t *testing.T) {
	calls := check.Value(upward("./testdata", []string{"low.go", "high.go"}))(t)
	if len(calls) != 1 || calls[0].String() != "high.go:5 calls low of low.go" {
		t.Errorf("got %v", calls)
	}
}
