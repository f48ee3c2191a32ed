// Command callorder takes a list of the files of a package and counts the calls that
// run upwards: from a file to one above it in the list.
//
//	go run ./internal/callorder ./runtime app.go server.go …
package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/tools/go/packages"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: callorder PACKAGE FILE…, the files from top to bottom")
		os.Exit(2)
	}
	calls, err := upward(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "callorder:", err)
		os.Exit(1)
	}
	for _, c := range calls {
		fmt.Println(c)
	}
	fmt.Printf("%d calls run upwards\n", len(calls))
}

// call is one call that runs upwards.
type call struct {
	from   token.Position
	to     string // the file of the function
	callee string
}

func (c call) String() string {
	return fmt.Sprintf("%s:%d calls %s of %s", filepath.Base(c.from.Filename), c.from.Line, c.callee, c.to)
}

// upward returns the calls of a package that run against the order of its files.
// A file that is not in the order is an error.
func upward(pattern string, order []string) ([]call, error) {
	loaded, err := packages.Load(&packages.Config{Mode: packages.LoadSyntax}, pattern)
	if err != nil {
		return nil, err
	}
	if len(loaded) != 1 || len(loaded[0].Errors) > 0 {
		return nil, fmt.Errorf("%s: must be one package without errors, found %d: %v", pattern, len(loaded), loaded[0].Errors)
	}
	p := loaded[0]
	place := func(at token.Pos) (int, string) {
		name := filepath.Base(p.Fset.Position(at).Filename)
		return slices.Index(order, name), name
	}
	var calls []call
	for _, file := range p.Syntax {
		here, name := place(file.Pos())
		if here < 0 {
			return nil, fmt.Errorf("%s: must be in the order of the files", name)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			expr, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f := callee(p.TypesInfo, expr); f != nil && f.Pkg() == p.Types {
				if there, to := place(f.Pos()); there < here {
					calls = append(calls, call{p.Fset.Position(expr.Pos()), to, f.Name()})
				}
			}
			return true
		})
	}
	return calls, nil
}

// callee returns the called function or method. It returns nil for a call of a value
// or of an interface's method, and for a conversion.
func callee(info *types.Info, expr *ast.CallExpr) *types.Func {
	fun := ast.Unparen(expr.Fun)
	switch f := fun.(type) {
	case *ast.IndexExpr:
		fun = f.X
	case *ast.IndexListExpr:
		fun = f.X
	}
	var name *ast.Ident
	switch f := fun.(type) {
	case *ast.Ident:
		name = f
	case *ast.SelectorExpr:
		name = f.Sel
	default:
		return nil
	}
	f, _ := info.Uses[name].(*types.Func)
	if f != nil {
		return f.Origin()
	}
	return nil
}
