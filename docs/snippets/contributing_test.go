package snippets_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func contributing(t *testing.T) string {
	t.Helper()
	text := check.Value(os.ReadFile(filepath.Join(root, "CONTRIBUTING.md")))(t)
	return string(text)
}

// The command for golden files names the packages that have the flag, and no other:
// go test refuses a flag that one package does not have.
func TestUpdateNamesEveryPackageWithTheFlag(t *testing.T) {
	m := regexp.MustCompile("`go test (.*) -update`, then").FindStringSubmatch(contributing(t))
	if m == nil {
		t.Fatal("CONTRIBUTING.md: must have a command that writes the golden files, found none")
	}
	var want []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") || strings.Contains(filepath.ToSlash(path), "/integration/real/") { // a module of its own
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "\nvar update = flag.Bool(") {
			want = append(want, "./"+filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), filepath.FromSlash(root+"/"))))
		}
		return err
	})
	got := strings.Fields(m[1])
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("CONTRIBUTING.md has %s; the flag is in %s; %v", got, want, err)
	}
}

// The map names every internal folder, and the table every file of runtime.
func TestMapIsComplete(t *testing.T) {
	text := contributing(t)
	for _, folders := range []string{"internal", "runtime/internal"} {
		entries := check.Value(os.ReadDir(filepath.Join(root, folders)))(t)
		for _, entry := range entries {
			if !strings.Contains(text, "`"+folders+"/"+entry.Name()+"`") && (folders == "internal" || !strings.Contains(text, "`"+entry.Name()+"`")) {
				t.Errorf("CONTRIBUTING.md: the map lacks %s/%s", folders, entry.Name())
			}
		}
	}
	_, table, _ := strings.Cut(text, "<!-- begin order -->")
	table, _, _ = strings.Cut(table, "<!-- end order -->")
	for _, row := range regexp.MustCompile("(?m)^\\| `(.*?)`").FindAllStringSubmatch(table, -1) {
		if _, err := os.Stat(filepath.Join(root, "runtime", row[1])); err != nil {
			t.Errorf("CONTRIBUTING.md: the table has a file that does not exist: %v", err)
		}
	}
}

// The scripts that the documents name can be run.
func TestScriptsRun(t *testing.T) {
	for _, document := range []string{"CONTRIBUTING.md", "SECURITY.md"} {
		text := check.Value(os.ReadFile(filepath.Join(root, document)))(t)
		named := regexp.MustCompile(`\.ci/\w+`).FindAllString(string(text), -1)
		if len(named) == 0 {
			t.Errorf("%s: must name a script of .ci, found none", document)
		}
		for _, script := range named {
			if info := check.Value(os.Stat(filepath.Join(root, script)))(t); info.Mode()&0o111 == 0 {
				t.Errorf("%s: %s must be executable, found %s", document, script, info.Mode())
			}
		}
	}
}
