package progress

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	l := New(file, 2)
	l.Stepf("one %s", "a")
	l.Stepf("two")
	l.End()
	if got, _ := os.ReadFile(file.Name()); string(got) != "1 of 2: one a\n2 of 2: two\n" {
		t.Errorf("in a pipe: %q", got)
	}
	var b strings.Builder
	l = &Line{to: &b, terminal: true}
	l.Stepf("one")
	l.Stepf("two")
	l.End()
	if got := b.String(); got != "\r\x1b[K1: one\r\x1b[K2: two\r\x1b[K" {
		t.Errorf("on a terminal: %q", got)
	}
}
