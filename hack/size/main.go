// SPDX-License-Identifier: Apache-2.0

// Size prints how large the house is, and fails where a room grows past the
// limits below. They are lowered when something has become smaller, and not raised;
// leastTests is raised, and not lowered.
// It is run from the top of the sources.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	longestFile = 430  // lines
	longestTest = 560  // lines of a file of tests: tables are long
	longFunc    = 45   // lines of the function that 95 of 100 are shorter than
	mostMethods = 40   // of one type
	cliLines    = 3000 // of pkg/cli without what is below it
	leastTests  = 0.65 // lines of tests for a line that is tested
)

// tooLarge are the files and types past the limits, with how large they may be until
// they are cut.
var tooLarge = map[string]int{}

// named is a number of lines or methods and what has it.
type named struct {
	n    int
	name string
}

type house struct {
	files, funcs []named
	testFiles    []named
	methods      map[string]int // by package and type
	prod         map[string]int // lines by directory
	tests        map[string]int
}

func main() {
	h := house{methods: map[string]int{}, prod: map[string]int{}, tests: map[string]int{}}
	for _, top := range []string{"main.go", "internal", "pkg", "test"} {
		if err := filepath.WalkDir(top, h.visit); err != nil {
			fmt.Fprintln(os.Stderr, "size:", err)
			os.Exit(1)
		}
	}
	if err := h.report(); err != nil {
		fmt.Fprintln(os.Stderr, "size:", err)
		os.Exit(1)
	}
}

func (h *house) visit(path string, d fs.DirEntry, err error) error {
	if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
		return err
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines, dir := bytes.Count(src, []byte("\n")), filepath.Dir(path)
	// What exists for tests counts as one.
	if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "test/") || strings.HasPrefix(path, "internal/") {
		h.testFiles = append(h.testFiles, named{lines, path})
		h.tests[dir] += lines
		return nil
	}
	h.files = append(h.files, named{lines, path})
	h.prod[dir] += lines
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, src, 0)
	if err != nil {
		return err
	}
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		h.funcs = append(h.funcs, named{set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1, path + ":" + fn.Name.Name})
		if fn.Recv != nil {
			h.methods[dir+"."+receiver(fn.Recv.List[0].Type)]++
		}
	}
	return nil
}

// receiver is the name of a method's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}

func (h *house) report() error {
	var errs []error
	check := func(what string, got named, limit int) {
		fmt.Printf("%-34s %6d  (limit %d) %s\n", what, got.n, limit, got.name)
		if got.n > limit {
			errs = append(errs, fmt.Errorf("%s: %d %s, the limit is %d", what, got.n, got.name, limit))
		}
	}
	var types []named
	for name, n := range h.methods {
		types = append(types, named{n, name})
	}
	split := func(list []named, limit int) []named {
		return slices.DeleteFunc(list, func(x named) bool {
			known, ok := tooLarge[x.name]
			if ok = ok && x.n > limit; ok {
				check("to be cut", x, known)
			}
			return ok
		})
	}
	h.files, types = split(h.files, longestFile-1), split(types, mostMethods-1)
	check("longest file, lines", largest(h.files), longestFile-1)
	check("longest file of tests, lines", largest(h.testFiles), longestTest)
	slices.SortFunc(h.funcs, func(a, b named) int { return a.n - b.n })
	check("95 of 100 functions, lines", named{h.funcs[len(h.funcs)*95/100].n, ""}, longFunc-1)
	check("most methods of a type", largest(types), mostMethods-1)
	check("pkg/cli itself, lines", named{h.prod["pkg/cli"], ""}, cliLines)
	prod, tests := sum(h.prod), sum(h.tests)
	ratio := float64(tests) / float64(prod)
	fmt.Printf("%d functions, the longest with %d lines; %d lines in %d packages, %d lines of tests: %.2f of a line for each\n", len(h.funcs),
		h.funcs[len(h.funcs)-1].n, prod, len(h.prod), tests, ratio)
	if ratio < leastTests {
		errs = append(errs, fmt.Errorf("%.3f lines of tests for a line: the limit is %.2f", ratio, leastTests))
	}
	h.thinnest()
	return errors.Join(errs...)
}

// thinnest prints the packages with the fewest lines of tests of their own.
func (h *house) thinnest() {
	var dirs []string
	for dir, n := range h.prod {
		if n >= 200 {
			dirs = append(dirs, dir)
		}
	}
	ratio := func(dir string) float64 { return float64(h.tests[dir]) / float64(h.prod[dir]) }
	slices.SortFunc(dirs, func(a, b string) int {
		if ratio(a) != ratio(b) {
			return int(1e6 * (ratio(a) - ratio(b)))
		}
		return strings.Compare(a, b)
	})
	fmt.Print("least of their own:")
	for _, dir := range dirs[:min(8, len(dirs))] {
		fmt.Printf(" %s %.2f", strings.TrimPrefix(dir, "pkg/"), ratio(dir))
	}
	fmt.Println()
}

func largest(list []named) named {
	return slices.MaxFunc(list, func(a, b named) int { return a.n - b.n })
}

func sum(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}
