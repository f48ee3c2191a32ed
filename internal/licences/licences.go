// Package licences finds the licences of the modules that a program links. Only its
// test uses it, which keeps docs/licences.md up to date.
package licences

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// A Module is a module of somebody else that a program links.
type Module struct {
	Path, Version string
	Licences      []string // SPDX ids, sorted
	Importer      string   // our package that imports it, directly or not; the closest to the program
	Through       []string // modules between the importer and this one
}

// Linked returns the modules that a program with these packages links on Linux, sorted
// by path. root is the folder of our module, and each pattern a package below it, such
// as ./cmd/ekiben.
//
// The licences of a module are those of the folders of the linked packages, and of
// the folders above them up to the module's: a package may hold code of others. A
// module without a licence, and a licence that nobody knows, are errors.
func Linked(root string, patterns ...string) ([]Module, error) {
	loaded, err := load(root, patterns)
	if err != nil {
		return nil, err
	}
	modules := map[string]*Module{}
	read := map[string][]string{}
	var errs []error
	for _, v := range walk(loaded) {
		m := v.pkg.Module
		if m == nil || m.Main { // the standard library, or ours
			continue
		}
		if modules[m.Path] == nil {
			modules[m.Path] = v.module()
		}
		ids, err := ofPackage(v.pkg, read)
		errs = append(errs, err)
		modules[m.Path].Licences = append(modules[m.Path].Licences, ids...)
	}
	var sorted []Module
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		m := modules[name]
		slices.Sort(m.Licences)
		if m.Licences = slices.Compact(m.Licences); len(m.Licences) == 0 {
			errs = append(errs, fmt.Errorf("%s: must have a file with its licence, found none", m.Path))
		}
		sorted = append(sorted, *m)
	}
	return sorted, errors.Join(errs...)
}

// load returns the packages with all that they import.
func load(root string, patterns []string) ([]*packages.Package, error) {
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedModule,
		Dir:  root,
		// One table, whatever machine writes it.
		Env: append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0"),
	}, patterns...)
	if err != nil {
		return nil, err
	}
	if len(loaded) != len(patterns) {
		return nil, fmt.Errorf("%s: must be a package each, found %d", strings.Join(patterns, " "), len(loaded))
	}
	var errs []error
	packages.Visit(loaded, nil, func(p *packages.Package) {
		for _, err := range p.Errors {
			errs = append(errs, err)
		}
	})
	return loaded, errors.Join(errs...)
}

// visit is a package, and the visit that found it first.
type visit struct {
	pkg  *packages.Package
	from *visit
}

// walk visits packages and all that they import, the closest first.
func walk(roots []*packages.Package) []*visit {
	var visits []*visit
	known := map[string]bool{}
	for _, p := range roots {
		visits = append(visits, &visit{pkg: p})
		known[p.PkgPath] = true
	}
	for i := 0; i < len(visits); i++ {
		imports := visits[i].pkg.Imports
		for _, name := range slices.Sorted(maps.Keys(imports)) {
			if p := imports[name]; !known[p.PkgPath] {
				known[p.PkgPath] = true
				visits = append(visits, &visit{p, visits[i]})
			}
		}
	}
	return visits
}

// module returns the module of a package that is not ours, without its licences.
func (v *visit) module() *Module {
	m := &Module{Path: v.pkg.Module.Path, Version: v.pkg.Module.Version}
	last := m.Path
	for at := v.from; at != nil; at = at.from {
		of := at.pkg.Module
		if of.Main {
			m.Importer = strings.TrimPrefix(strings.TrimPrefix(at.pkg.PkgPath, of.Path), "/")
			m.Importer = cmp.Or(m.Importer, ".")
			break
		}
		if of.Path != last {
			m.Through = append(m.Through, of.Path)
			last = of.Path
		}
	}
	slices.Reverse(m.Through)
	return m
}

// ofPackage returns the licences that hold for a package. read remembers folders.
func ofPackage(p *packages.Package, read map[string][]string) (ids []string, err error) {
	below := strings.TrimPrefix(strings.TrimPrefix(p.PkgPath, p.Module.Path), "/")
	for {
		folder := filepath.Join(p.Module.Dir, filepath.FromSlash(below))
		if _, ok := read[folder]; !ok {
			found, failed := ofFolder(folder)
			if failed != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", path.Join(p.Module.Path, below), failed))
			}
			read[folder] = found
		}
		ids = append(ids, read[folder]...)
		if below == "" || below == "." {
			return ids, err
		}
		below = path.Dir(below)
	}
}
