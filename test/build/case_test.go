// SPDX-License-Identifier: Apache-2.0

package build

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// testCase is a file of testdata.
type testCase struct {
	name, path string
	sections   []section
}

type section struct{ name, text string }

var sectionLine = regexp.MustCompile(`(?m)^-- (.+) --\n`)

func readCases(t *testing.T) []testCase {
	t.Helper()
	files, err := filepath.Glob("testdata/*.case")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var list []testCase
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, parseCase(f, string(data)))
	}
	return list
}

func parseCase(file, text string) testCase {
	c := testCase{name: strings.TrimSuffix(filepath.Base(file), ".case"), path: file}
	at := sectionLine.FindAllStringSubmatchIndex(text, -1)
	head := text
	if len(at) > 0 {
		head = text[:at[0][0]]
	}
	c.sections = append(c.sections, section{"", head})
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		c.sections = append(c.sections, section{text[m[2]:m[3]], text[m[1]:end]})
	}
	return c
}

func (c testCase) get(name string) (string, bool) {
	for _, s := range c.sections {
		if s.name == name {
			return s.text, true
		}
	}
	return "", false
}

func (c testCase) lines(name string) []string {
	text, _ := c.get(name)
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

// wanted is what a section says, or what stands in its place.
func (c testCase) wanted(name string) (string, bool) {
	if text, ok := c.get("our " + name); ok {
		return text, true
	}
	return c.get(name)
}

// write puts the recorded sections in place of those that are there.
func (c testCase) write(recorded []section) error {
	var b strings.Builder
	for _, s := range c.sections {
		if slices.Contains([]string{"tree", "config", "error"}, s.name) {
			continue
		}
		if s.name != "" {
			fmt.Fprintf(&b, "-- %s --\n", s.name)
		}
		b.WriteString(s.text)
	}
	for _, s := range recorded {
		fmt.Fprintf(&b, "-- %s --\n%s", s.name, s.text)
	}
	return os.WriteFile(c.path, []byte(b.String()), 0o644)
}

// entry is a line that describes a file.
type entry struct {
	kind, path string
	set        map[string]string
}

var entryField = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[^\s"=]+="(?:[^"\\]|\\.)*"|\S+`)

func parseEntries(t *testing.T, text string) []entry {
	t.Helper()
	var list []entry
	for line := range strings.Lines(text) {
		f := entryField.FindAllString(line, -1)
		if len(f) < 2 {
			if strings.TrimSpace(line) != "" {
				t.Fatalf("entry %q: no path", line)
			}
			continue
		}
		e := entry{kind: f[0], path: f[1], set: map[string]string{}}
		if q, err := strconv.Unquote(f[1]); err == nil {
			e.path = q
		}
		for _, s := range f[2:] {
			k, v, _ := strings.Cut(s, "=")
			if q, err := strconv.Unquote(v); err == nil {
				v = q
			}
			e.set[k] = v
		}
		list = append(list, e)
	}
	return list
}

func (e entry) number(key string, base int, or int64) int64 {
	v, ok := e.set[key]
	if !ok {
		return or
	}
	n, err := strconv.ParseInt(v, base, 64)
	if err != nil {
		return or
	}
	return n
}

// data is a file's content.
func (e entry) data() []byte {
	if n := e.number("size", 10, -1); n >= 0 {
		return []byte(strings.Repeat("0123456789abcde\n", int(n)/16+1)[:n])
	}
	return []byte(e.set["data"])
}

// xattrs are the extended attributes of the entry, by name.
func (e entry) xattrs() map[string]string {
	m := map[string]string{}
	for k, v := range e.set {
		if name, ok := strings.CutPrefix(k, "xattr."); ok {
			m[name] = v
		}
	}
	return m
}
