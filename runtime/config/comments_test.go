package config

import (
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// The comment of every struct below Config shows the struct's section of a file, and
// Load accepts it.
func TestStructsShowTheirSection(t *testing.T) {
	comments := structComments(t)
	seen := map[reflect.Type]bool{}
	var visit func(*key)
	visit = func(k *key) {
		if k.kind == table {
			visit(k.each)
		}
		if k.kind != section || seen[k.typ] {
			return
		}
		seen[k.typ] = true
		for _, below := range k.below {
			visit(below)
		}
		if k.typ.PkgPath() != reflect.TypeFor[Config]().PkgPath() {
			return // of package views
		}
		name := k.typ.Name()
		loaded, err := Source{File: name, Content: []byte(comments[name])}.Load(Default())
		if err != nil {
			t.Errorf("the section in the comment of %s: %v", name, err)
		} else if !gives(loaded, k.typ) {
			t.Errorf("the comment of %s shows no key of %s, found\n%s", name, name, comments[name])
		}
	}
	visit(root())
}

// gives reports whether a source gave a key of the struct typ, or below it.
func gives(loaded *Loaded, typ reflect.Type) bool {
	for given := range loaded.places {
		path, _ := splitKey(given)
		for i := range path {
			if lookup(path[:i]).typ == typ {
				return true
			}
		}
	}
	return false
}

// structComments returns the indented lines of each type's comment.
func structComments(t *testing.T) map[string]string {
	t.Helper()
	files := check.Value(filepath.Glob("*.go"))(t)
	shown := map[string]string{}
	for _, file := range files {
		parsed := check.Value(parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments))(t)
		for _, d := range parsed.Decls {
			declared, ok := d.(*ast.GenDecl)
			if !ok || declared.Tok != token.TYPE || declared.Doc == nil {
				continue
			}
			for _, block := range new(comment.Parser).Parse(declared.Doc.Text()).Content {
				if code, ok := block.(*comment.Code); ok {
					shown[declared.Specs[0].(*ast.TypeSpec).Name.Name] += code.Text
				}
			}
		}
	}
	return shown
}
