package profiles

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A program that links runtime/pprof samples its allocations: an app without profiles must not
// link it.
func TestProfilesAreNotLinked(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "..").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if slices.Contains(strings.Fields(string(out)), "runtime/pprof") {
		t.Error("package runtime links runtime/pprof")
	}
}
