// SPDX-License-Identifier: Apache-2.0

package formatter

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/docker/cli/templates"
)

// Heads are the headings of a list's fields.
type Heads map[string]string

// Label is the heading of one label: the last part of its name.
func (Heads) Label(name string) string {
	return strings.NewReplacer("-", " ", "_", " ").Replace(name[strings.LastIndexByte(name, '.')+1:])
}

// List is one kind of list: how it is shown without a format, with -q, and
// with --format raw.
type List struct {
	heads                       Heads
	table, quiet, raw, rawQuiet string
	quietWins                   bool   // -q is stronger than a format
	also                        string // what every table ends with
}

// Format is the template for what was asked for; "" is a table.
func (l List) Format(asked string, quiet bool) string {
	switch {
	case asked == "" || asked == TableKey:
		if quiet {
			return l.quiet
		}
		return TableKey + " " + l.table
	case asked == rawKey && l.raw != "":
		if quiet {
			return l.rawQuiet
		}
		return l.raw
	case quiet && l.quietWins:
		return l.quiet
	case strings.HasPrefix(asked, TableKey) && !strings.Contains(asked, l.also):
		return asked + "\t" + l.also
	}
	return asked
}

// Columns is the same list with another table.
func (l List) Columns(template string) List {
	l.table = template
	return l
}

// Extend adds fields to the table; a format of the user's own stays as it is.
func (l List) Extend(fields string) List {
	l.table += "\t" + fields
	return l
}

// Write prints rows, pointers to structs, as format says. Nothing is printed
// when one of them cannot be.
func Write[R any](w io.Writer, l List, format string, rows []R) error {
	t, err := parseList(format)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, r := range rows {
		if err := t.Execute(&b, r); err != nil {
			return badTemplate(1, err)
		}
		b.WriteByte('\n')
	}
	if !strings.HasPrefix(format, TableKey) {
		_, err = w.Write(b.Bytes())
		return err
	}
	var out bytes.Buffer
	tw := tabwriter.NewWriter(&out, 10, 1, 3, ' ', 0)
	// Headings are texts, whatever the template does with the fields: what does
	// not work on them is left out, as in Docker.
	_ = t.Funcs(templates.HeaderFunctions).Execute(tw, l.heads)
	_, _ = tw.Write([]byte{'\n'})
	_, _ = tw.Write(b.Bytes())
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err = w.Write(out.Bytes())
	return err
}

// Check refuses a template that does not fit a row, before there are any.
func Check(format string, empty any) error {
	t, err := parseList(format)
	var bad *Error
	if errors.As(err, &bad) {
		return &Error{1, "failed to parse template", bad.err}
	}
	if err := t.Execute(io.Discard, empty); err != nil {
		return &Error{1, "failed to execute template", err}
	}
	return nil
}
