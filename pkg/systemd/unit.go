// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"errors"
	"fmt"
	"strings"
)

// Unit is a unit file, or another that is written like one. Its sections are in
// the order they were first named.
type Unit struct{ Sections []*Section }

// Section is what stands below one [Name], in order, each key as often as it does.
type Section struct {
	Name    string
	Entries []Entry
}

// Entry is one assignment.
type Entry struct{ Key, Value string }

// ParseUnit reads a file (systemd.syntax(7)). Lines that end in a backslash go on
// in the next one that is no comment.
func ParseUnit(text string) (*Unit, error) {
	u := &Unit{}
	var in *Section
	var begun string
	continued := false
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, "\r")
		if s := strings.TrimSpace(line); s != "" && (s[0] == '#' || s[0] == ';') {
			continue // also between the lines of one value
		}
		if continued {
			line = begun + line
		}
		if begun, continued = strings.CutSuffix(line, `\`); continued {
			begun += " "
			continue
		}
		switch line = strings.TrimSpace(line); {
		case line == "":
		case line[0] == '[' && line[len(line)-1] == ']':
			in = u.Section(line[1 : len(line)-1])
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok || in == nil {
				return nil, fmt.Errorf("line %d: %q is no assignment in a section", n+1, line)
			}
			in.Add(strings.TrimSpace(key), strings.TrimSpace(value))
		}
	}
	if continued {
		return nil, errors.New("the last line ends in a backslash")
	}
	return u, nil
}

// Section is the section of a name. It is made when it is missing.
func (u *Unit) Section(name string) *Section {
	for _, s := range u.Sections {
		if s.Name == name {
			return s
		}
	}
	s := &Section{Name: name}
	u.Sections = append(u.Sections, s)
	return s
}

// Merge adds what a drop-in says.
func (u *Unit) Merge(dropIn *Unit) {
	for _, s := range dropIn.Sections {
		to := u.Section(s.Name)
		to.Entries = append(to.Entries, s.Entries...)
	}
}

// Add appends an assignment.
func (s *Section) Add(key, value string) { s.Entries = append(s.Entries, Entry{key, value}) }

// Default is Add of a key that is not there.
func (s *Section) Default(key, value string) {
	if s.Last(key) == "" {
		s.Add(key, value)
	}
}

// All are the values of a key, of which an empty one takes back those before it.
func (s *Section) All(key string) []string {
	var list []string
	for _, e := range s.Entries {
		switch {
		case e.Key != key:
		case e.Value == "":
			list = nil
		default:
			list = append(list, e.Value)
		}
	}
	return list
}

// Last is the value of a key that has one, or "".
func (s *Section) Last(key string) string {
	if all := s.All(key); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// String is the file's text.
func (u *Unit) String() string {
	var b strings.Builder
	for _, s := range u.Sections {
		if len(s.Entries) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "[%s]\n", s.Name)
		for _, e := range s.Entries {
			fmt.Fprintf(&b, "%s=%s\n", e.Key, e.Value)
		}
	}
	return b.String()
}

// Boolean reads yes, no and their like (systemd.syntax(7)).
func Boolean(value string) (yes bool, err error) {
	switch strings.ToLower(value) {
	case "1", "yes", "y", "true", "t", "on":
		return true, nil
	case "0", "no", "n", "false", "f", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither yes nor no", value)
}
