package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var row = regexp.MustCompile("(?m)^\\| `([a-z]+\\.go)` \\|")

// The files of package runtime call only files that stand below them in
// CONTRIBUTING.md.
func TestCallsOfRuntimeRunDownwards(t *testing.T) {
	page, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), "<!-- begin order -->")
	list, _, ok := strings.Cut(list, "<!-- end order -->")
	if !ok {
		t.Fatal("CONTRIBUTING.md: must have the order of the files of runtime between its marks, found none")
	}
	var order []string
	for _, found := range row.FindAllStringSubmatch(list, -1) {
		order = append(order, found[1])
	}
	calls, err := upward("../../runtime", order)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		t.Error(c)
	}
}

// A call against the order is found.
func TestUpwardCallIsFound(t *testing.T) {
	calls, err := upward("./testdata", []string{"low.go", "high.go"})
	if err != nil {
		t.Fatal(err)
	}
	if len(calls) != 1 || calls[0].String() != "high.go:5 calls low of low.go" {
		t.Errorf("got %v", calls)
	}
}
