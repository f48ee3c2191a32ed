package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"golang.org/x/tools/txtar"
)

// TestBadFiles compares the errors of every file in testdata/bad.txtar with the
// errors listed after the file.
func TestBadFiles(t *testing.T) {
	name := check.Value(filepath.Abs("testdata/bad.txtar"))(t)
	archive := check.Value(txtar.ParseFile(name))(t)
	t.Chdir(t.TempDir())
	seen := 0
	for i := 0; i < len(archive.Files); i += 2 {
		file, errs := archive.Files[i], &archive.Files[i+1]
		if errs.Name != "errors" {
			t.Fatalf("%s is followed by %s, not by its errors", file.Name, errs.Name)
		}
		seen++
		data := strings.NewReplacer("<TAB>", "\t", "<NUL>", "\x00", "<FF>", "\xff").Replace(string(file.Data))
		check.Must(t, os.WriteFile("config.yaml", []byte(data), 0o600))
		_, err := Source{File: "config.yaml"}.Load(Default(), "Front", "Encoder")
		got := "accepted\n"
		if err != nil {
			got = err.Error() + "\n"
		}
		if *update {
			errs.Data = []byte(got)
		}
		if got != string(errs.Data) || err == nil {
			t.Errorf("%s\ngot\n%swant\n%s", file.Name, got, errs.Data)
		}
	}
	if seen < 60 {
		t.Errorf("%d files", seen)
	}
	if *update {
		t.Cleanup(func() {
			check.OK(t, os.WriteFile(name, txtar.Format(archive), 0o644))
		})
	}
}

// A file that cannot be read, or is not text, is an error.
func TestNoFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	check.Must(t, os.Mkdir("folder", 0o755))
	check.Must(t, os.WriteFile("empty", nil, 0o600))
	check.Must(t, os.WriteFile("unreadable", []byte("workers: 1"), 0o000))
	check.Must(t, os.WriteFile("large", []byte(strings.Repeat("#", 1<<20+1)), 0o600))
	check.Must(t, os.Symlink("nowhere", "dangling"))
	want := map[string]string{
		"missing":                            "missing: no such file",
		"folder":                             "folder: must be a file, found a directory",
		"empty":                              "empty: is empty, which may be a write that failed; a file that is to have no keys must have a comment",
		"large":                              "large: must be at most 1048576 bytes, found 1048577",
		"dangling":                           "dangling: no such file",
		os.DevNull:                           os.DevNull + ": must be a regular file, found a device or socket",
		filepath.Join("empty", "below"):      filepath.Join("empty", "below") + ": not a directory",
		strings.Repeat("x", 300) + "/a.yaml": strings.Repeat("x", 300) + "/a.yaml: file name too long",
	}
	if os.Getuid() != 0 {
		want["unreadable"] = "unreadable: permission denied"
	}
	for file, text := range want {
		if _, err := (Source{File: file}).Load(Default()); err == nil || err.Error() != text {
			t.Errorf("got %v, want %s", err, text)
		}
	}
}
