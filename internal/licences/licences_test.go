package licences_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/licensecheck"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/licences"
)

var update = flag.Bool("update", false, "write the golden files")

const root = "../.."

const head = `# Licences of linked modules

Ekiben is licensed under Apache-2.0. A program links Go's standard library (BSD-3-Clause), the modules below, and for its home page [uPlot](../runtime/internal/ui/static/uPlot.LICENSE.txt) (MIT).
A test compares this page with the files of the modules, for Linux on amd64, and fails for a licence other than Apache-2.0, BSD-2-Clause, BSD-3-Clause, ISC, MIT, MPL-2.0 and blessing (SQLite's public domain).

"Linked for" names our package that imports the module, the one closest to the program, and the modules between them. A module has several licences if it holds the code of others.
A module's list of third parties may name licences of code that is not linked, as modernc.org/sqlite does with MPL-2.0. What only our tests and tools import is not linked, and not listed.
`

// The document lists what programs link, and every licence is allowed.
func TestLinkedModules(t *testing.T) {
	document := head
	ofRuntime := map[string]bool{}
	for i, program := range []struct {
		title, text string
		packages    []string
	}{
		{"A program that imports runtime", "Without the packages of the next table.", []string{"./runtime"}},
		{"Packages that a program may import", "What these packages add to the table above: `tasks/sqlite`, `tasks/postgres`, `runtime/websocket` and `exporters/otlp/grpc`.", []string{"./tasks/sqlite", "./tasks/postgres", "./runtime/websocket", "./exporters/otlp/grpc"}},
		{"The command ekiben", "With the example that it serves.", []string{"./cmd/ekiben"}},
	} {
		modules, err := licences.Linked(root, program.packages...)
		check.Must(t, err, errors.Join(licences.Refused(modules)...))
		switch i {
		case 0:
			for _, m := range modules {
				ofRuntime[m.Path] = true
			}
		case 1:
			modules = slices.DeleteFunc(modules, func(m licences.Module) bool { return ofRuntime[m.Path] })
		}
		document += "\n## " + program.title + "\n\n" + program.text + "\n\n" + licences.Table(modules)
	}
	file := filepath.Join(root, "docs", "licences.md")
	if *update {
		check.Must(t, os.WriteFile(file, []byte(document), 0o644))
	}
	if got := check.Value(os.ReadFile(file))(t); string(got) != document {
		t.Errorf("%s is not what the modules say; go test ./internal/licences -update writes it", file)
	}
}

func TestLicenceOfThePage(t *testing.T) {
	text := check.Value(os.ReadFile(filepath.Join(root, "runtime/internal/ui/static/uPlot.LICENSE.txt")))(t)
	found := licensecheck.Scan(text)
	if len(found.Match) != 1 || found.Match[0].ID != "MIT" {
		t.Errorf("uPlot: must have the licence MIT, found %+v", found)
	}
}

// A module with an unknown licence, one without, and one with a licence that is not
// allowed are errors. The module of testdata imports them.
func TestRefusals(t *testing.T) {
	modules, err := licences.Linked("testdata/program", ".")
	check.Error(t, err, `example.com/own: LICENSE: must be the text of known licences, found that 0% of it is
example.com/own: must have a file with its licence, found none
example.com/silent: must have a file with its licence, found none`)
	check.Error(t, errors.Join(licences.Refused(modules)...),
		"example.com/copyleft v1.0.0: must have one of the licences Apache-2.0, blessing, BSD-2-Clause, BSD-3-Clause, ISC, MIT, MPL-2.0, found GPL-3.0-or-later")
	check.Equal(t, modules, []licences.Module{
		{Path: "example.com/copyleft", Version: "v1.0.0", Licences: []string{"GPL-3.0-or-later", "ISC"}, Importer: "inner"},
		{Path: "example.com/own", Version: "v1.0.0", Importer: "inner", Through: []string{"example.com/copyleft"}},
		{Path: "example.com/silent", Version: "v1.0.0", Importer: "."},
	})
}
