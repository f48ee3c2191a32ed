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

// go doc prints a link without its brackets if it leads to a name. It prints brackets
// around a name that it does not find, above the address of a link, and in the
// comments inside a declaration, such as those of fields.
func TestDocLinks(t *testing.T) {
	packages := map[string][]*ast.File{}
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
			packages[filepath.Dir(path)] = append(packages[filepath.Dir(path)], file)
		}
		return err
	})
	if err != nil || len(packages) < 10 {
		t.Fatalf("%d packages, %v", len(packages), err)
	}
	for folder, parsed := range packages {
		pkg, err := doc.NewFromFiles(files, parsed, module+filepath.ToSlash(folder))
		if err != nil {
			t.Fatal(err)
		}
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
