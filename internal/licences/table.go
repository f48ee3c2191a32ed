package licences

import (
	"fmt"
	"slices"
	"strings"
)

// allowed lists the licences that a linked module may have. They let a program that
// links the module be distributed under any terms, if it passes on their notices; of
// MPL-2.0 also the sources of its files. blessing is SQLite's public domain.
var allowed = []string{"Apache-2.0", "blessing", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0"}

// Refused returns an error for each licence that a linked module must not have.
func Refused(modules []Module) (errs []error) {
	for _, m := range modules {
		for _, id := range m.Licences {
			if !slices.Contains(allowed, id) {
				errs = append(errs, fmt.Errorf("%s %s: must have one of the licences %s, found %s", m.Path, m.Version, strings.Join(allowed, ", "), id))
			}
		}
	}
	return errs
}

// Table returns the modules as a table in Markdown.
func Table(modules []Module) string {
	var b strings.Builder
	b.WriteString("| module | version | licence | linked for |\n|---|---|---|---|\n")
	for _, m := range modules {
		why := "`ekiben`, the package of `Main`"
		if m.Importer != "." {
			why = "`" + m.Importer + "`"
		}
		for i, through := range m.Through {
			joint := ", "
			if i == 0 {
				joint = ", through "
			}
			why += joint + "`" + through + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Path, m.Version, strings.Join(m.Licences, ", "), why)
	}
	return b.String()
}
