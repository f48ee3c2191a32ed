//go:build unix

package config

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// A pipe is refused before it is opened: opening it would wait for a writer.
func TestPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	check.Must(t, syscall.Mkfifo(pipe, 0o600))
	if _, err := (Source{File: pipe}).Load(Default()); err == nil || !strings.HasSuffix(err.Error(), "must be a regular file, found a pipe") {
		t.Errorf("got %v", err)
	}
}
