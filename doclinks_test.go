package ekiben_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// bracketed is a name in brackets that is not a part of code, such as a[i] or []T.
var bracketed = regexp.MustCompile(`(?m)(?:^|[\s(*])\[(?:package )?\*?[A-Za-z_][\w./]*\]`)

// publicPackages parses the public packages of the module, by folder.
func publicPackages(t *testing.T) map[string]*doc.Package {
	t.Helper()
	parsed := map[string][]*ast.File{}
	files := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (name[0] == '.' || name == "internal" || name == "integration" || name == "testdata"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		if err == nil && file.Name.Name != "main" {
			parsed[filepath.Dir(path)] = append(parsed[filepath.Dir(path)], file)
		}
		return err
	})
	if err != nil || len(parsed) < 10 {
		t.Fatalf("%d packages, %v", len(parsed), err)
	}
	packages := map[string]*doc.Package{}
	for folder, of := range parsed {
		if packages[folder], err = doc.NewFromFiles(files, of, module+filepath.ToSlash(folder)); err != nil {
			t.Fatal(err)
		}
	}
	return packages
}

// go doc prints a link without its brackets if it leads to a name. It prints brackets
// around a name that it does not find, above the address of a link, and in the
// comments inside a declaration, such as those of fields.
func TestDocLinks(t *testing.T) {
	for folder, pkg := range publicPackages(t) {
		printed := declarations(pkg)
		for _, text := range texts(pkg) {
			printed = append(printed, string(pkg.Text(text)))
		}
		for _, text := range printed {
			for _, found := range bracketed.FindAllString(text, -1) {
				t.Errorf("package %s: go doc prints %s; the link must lead to a name of this package or of an import, and a comment inside a declaration has no links", folder, strings.TrimSpace(found))
			}
		}
	}
}

// qualified is a name of a package, such as batcher.Config.
var qualified = regexp.MustCompile(`\b([a-z]+)\.([A-Z]\w*)`)

// Names of this module's packages in comments and in their code exist.
func TestNamesInComments(t *testing.T) {
	packages := publicPackages(t)
	exported := map[string]map[string]bool{"runtime": {"Goexit": true, "GC": true}} // of Go's runtime
	for _, pkg := range packages {
		if exported[pkg.Name] == nil {
			exported[pkg.Name] = map[string]bool{}
		}
		for _, name := range names(pkg) {
			exported[pkg.Name][name] = true
		}
	}
	checked := 0
	for folder, pkg := range packages {
		for _, text := range append(declarations(pkg), texts(pkg)...) {
			for _, found := range qualified.FindAllStringSubmatch(text, -1) {
				if known, ours := exported[found[1]]; ours {
					checked++
					if !known[found[2]] {
						t.Errorf("package %s: a comment names %s, which does not exist", folder, found[0])
					}
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d names were checked", checked)
	}
}

// names returns the exported functions, types and values of a package.
func names(pkg *doc.Package) (all []string) {
	values := slices.Concat(pkg.Consts, pkg.Vars)
	funcs := pkg.Funcs
	for _, of := range pkg.Types {
		all = append(all, of.Name)
		values = slices.Concat(values, of.Consts, of.Vars)
		funcs = slices.Concat(funcs, of.Funcs)
	}
	for _, v := range values {
		all = append(all, v.Names...)
	}
	for _, f := range funcs {
		all = append(all, f.Name)
	}
	return all
}

// texts returns the comments of a package that go doc prints as text.
func texts(pkg *doc.Package) []string {
	all := []string{pkg.Doc}
	values := func(values []*doc.Value) {
		for _, v := range values {
			all = append(all, v.Doc)
		}
	}
	funcs := func(funcs []*doc.Func) {
		for _, f := range funcs {
			all = append(all, f.Doc)
		}
	}
	values(pkg.Consts)
	values(pkg.Vars)
	funcs(pkg.Funcs)
	for _, of := range pkg.Types {
		all = append(all, of.Doc)
		values(of.Consts)
		values(of.Vars)
		funcs(of.Funcs)
		funcs(of.Methods)
	}
	return all
}

// declarations returns the comments inside the declarations of a package, which go doc
// prints as they are.
func declarations(pkg *doc.Package) (all []string) {
	values := slices.Concat(pkg.Consts, pkg.Vars)
	var nodes []ast.Node
	for _, of := range pkg.Types {
		values = slices.Concat(values, of.Consts, of.Vars)
		nodes = append(nodes, of.Decl)
	}
	for _, v := range values {
		nodes = append(nodes, v.Decl)
	}
	for _, node := range nodes {
		ast.Inspect(node, func(n ast.Node) bool {
			if group, ok := n.(*ast.CommentGroup); ok {
				all = append(all, group.Text())
			}
			return true
		})
	}
	return all
}
