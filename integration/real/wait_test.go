package real

import (
	"testing"
	"time"
)

// patience is how long a test waits for another process before it fails.
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
		t.Errorf("waited without success for %s", what)
	}
}

// settles waits until wrong returns nothing. After patience it reports the last result.
// A server on a busy machine misses some scrapes; later scrapes correct the values.
func settles(t *testing.T, wrong func() []string) {
	t.Helper()
	var found []string
	for range 150 {
		if found = wrong(); len(found) == 0 {
			return
		}
		time.Sleep(2 * time.Second)
	}
	for _, problem := range found {
		t.Error(problem)
	}
}
