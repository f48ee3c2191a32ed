//go:build cgo

package detector

import (
	"path/filepath"
	"strings"
	"testing"
)

// A library that is missing is an error that names it, beside that of the weights.
func TestOpenWithoutLibrary(t *testing.T) {
	folder := t.TempDir()
	for _, library := range []string{"", filepath.Join(folder, "own.so")} {
		want := library
		if want == "" {
			want = filepath.Join(folder, LibraryFile)
		}
		_, err := Open(folder, Options{Library: library})
		for _, part := range []string{want + ": no such file or directory; go run ./fetch makes it", ModelFile} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%v lacks %s", err, part)
			}
		}
	}
}
