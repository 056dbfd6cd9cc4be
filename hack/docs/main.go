// SPDX-License-Identifier: Apache-2.0

// Docs finds what the documents say of the program and of the sources that is not so:
// commands and options that there are not, links that lead nowhere, files and variables
// that are gone, and documents that the README does not lead to.
// It is run from the top of the sources; its argument is the program.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// document is one file of Markdown.
type document struct {
	name, text string
	wrong      func(format string, args ...any)
}

func main() {
	names, err := filepath.Glob("docs/*.md")
	if err != nil || len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "docs: the argument is the program")
		os.Exit(2)
	}
	failed := false
	p := &program{path: os.Args[1], helps: map[string]*help{}}
	variables := read()
	for _, name := range append([]string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"}, names...) {
		text, err := os.ReadFile(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, "docs:", err)
			os.Exit(2)
		}
		d := document{name: name, text: string(text), wrong: func(format string, args ...any) {
			failed = true
			fmt.Fprintf(os.Stderr, name+": "+format+"\n", args...)
		}}
		d.links()
		d.paths()
		d.variables(variables)
		if name != "docs/commands.md" { // the program has written it
			d.commands(p)
		}
		if name == "docs/compose.md" {
			d.verbs(p.help("compose").commands)
		}
		if name == "README.md" {
			for _, other := range names {
				if !strings.Contains(d.text, "]("+other) {
					d.wrong("nothing leads to %s", other)
				}
			}
		}
	}
	if failed {
		os.Exit(1)
	}
}

var (
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fence     = regexp.MustCompile("(?ms)^```.*?^```$")
	inline    = regexp.MustCompile("`([^`]+)`")
	path      = regexp.MustCompile(`^(hack|pkg|test|internal|examples|docs)/[\w./-]*\w$`)
	variable  = regexp.MustCompile(`\bCORACLE_[A-Z][A-Z_]*[A-Z]\b`)
	unslugged = regexp.MustCompile(`[^\w\- ]`)
)

// links checks where links lead: files, and headings in them.
func (d document) links() {
	for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(d.text, ""), -1) {
		if strings.Contains(m[1], "://") {
			continue
		}
		to, heading, _ := strings.Cut(m[1], "#")
		file := d.name
		if to != "" {
			file = filepath.Join(filepath.Dir(d.name), to)
		}
		text, err := os.ReadFile(file)
		if info, errDir := os.Stat(file); err != nil && (errDir != nil || !info.IsDir()) {
			d.wrong("a link leads to %s, which is not there", m[1])
		} else if heading != "" && !slices.Contains(headings(string(text)), heading) {
			d.wrong("a link leads to %s, which has no such heading", m[1])
		}
	}
}

// headings are the anchors of a document, as the forges make them.
func headings(text string) []string {
	var all []string
	for line := range strings.Lines(fence.ReplaceAllString(text, "")) {
		if strings.HasPrefix(line, "#") {
			h := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
			all = append(all, strings.ReplaceAll(unslugged.ReplaceAllString(h, ""), " ", "-"))
		}
	}
	return all
}

// paths checks that files of the sources that are named are there; pkg/NAME.Func is package NAME's.
func (d document) paths() {
	for _, m := range inline.FindAllStringSubmatch(fence.ReplaceAllString(d.text, ""), -1) {
		word, _, _ := strings.Cut(m[1], " ")
		if !path.MatchString(word) {
			continue
		}
		if _, err := os.Stat(word); err != nil {
			d.wrong("there is no %s", word)
		}
	}
}

// read are the variables that the sources have.
func read() map[string]bool {
	all := map[string]bool{}
	for _, top := range []string{"pkg", "internal", "test", "hack", "main.go"} {
		_ = filepath.WalkDir(top, func(path string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			for _, v := range variable.FindAllString(string(text), -1) {
				all[v] = true
			}
			return err
		})
	}
	return all
}

// variables checks that something reads the variables that are named.
func (d document) variables(all map[string]bool) {
	for _, v := range variable.FindAllString(d.text, -1) {
		if !all[v] {
			d.wrong("nothing reads %s", v)
		}
	}
}
