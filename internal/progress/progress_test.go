package progress

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func TestLineInAPipe(t *testing.T) {
	file := check.Value(os.Create(filepath.Join(t.TempDir(), "log")))(t)
	defer func() { _ = file.Close() }()
	l := New(file, 0)
	l.Stepf("one %s", "a")
	l.Stepf("two")
	l.End()
	if got, _ := os.ReadFile(file.Name()); string(got) != "1: one a\n2: two\n" {
		t.Errorf("got %q", got)
	}
}

// The time that is left assumes that later steps take as long as those so far. End
// clears the line and does not restart the count.
func TestLineOnATerminal(t *testing.T) {
	at := time.Unix(0, 0)
	var b strings.Builder
	l := newLine(&b, true, 4, func() time.Time { return at })
	for i, took := range []time.Duration{30 * time.Second, 50 * time.Second, 10 * time.Second, 30 * time.Second} {
		l.Stepf("step")
		at = at.Add(took)
		if i == 1 {
			l.End()
			b.WriteString("a table\n")
		}
	}
	l.Stepf("one too many")
	want := "\r\x1b[K1 of 4: step" +
		"\r\x1b[K2 of 4, about 1m30s left: step" +
		"\r\x1b[Ka table\n" +
		"\r\x1b[K3 of 4, about 1m20s left: step" +
		"\r\x1b[K4 of 4, about 30s left: step" +
		"\r\x1b[K5 of 4: one too many"
	check.Equal(t, b.String(), want)
}
