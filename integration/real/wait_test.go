package real

import (
	"testing"
	"time"
)

// patience is how long a test waits for another process. A test that passes never
// waits that long.
const patience = time.Minute

// waitFor calls ok until it returns true, and reports whether it did.
func waitFor(ok func() bool) bool {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if ok() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// eventually waits for something that another process will do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !waitFor(ok) {
		t.Errorf("waited in vain for %s", what)
	}
}

// settles waits until wrong returns nothing, or reports what it returned last. A
// server on a busy machine misses some scrapes, and later ones make up for them.
func settles(t *testing.T, wrong func() []string) {
	t.Helper()
	var found []string
	for range 40 {
		if found = wrong(); len(found) == 0 {
			return
		}
		time.Sleep(2 * time.Second)
	}
	for _, problem := range found {
		t.Error(problem)
	}
}
