// SPDX-License-Identifier: Apache-2.0

package formatter

import (
	"strings"
	"text/template"
	"time"

	"github.com/docker/cli/templates"
	"github.com/docker/go-units"
)

// Values of --format that are not templates.
const (
	TableKey = "table"
	JSONKey  = "json"
	rawKey   = "raw"
)

const jsonTemplate = "{{json .}}"

// Error says what is wrong with a template. Code is the exit code for it.
type Error struct {
	Code int
	what string
	err  error
}

func (e *Error) Error() string { return e.what + ": " + e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// parseList reads a template for lists. In it \t is a tab and \n the end of a line.
func parseList(format string) (*template.Template, error) {
	if format == JSONKey {
		format = jsonTemplate
	}
	text := strings.Trim(strings.TrimPrefix(format, TableKey), " ")
	return parse(strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(text), 1)
}

func parse(text string, code int) (*template.Template, error) {
	t, err := templates.Parse(text)
	if err != nil {
		return nil, badTemplate(code, err)
	}
	return t, nil
}

func badTemplate(code int, err error) error { return &Error{code, "template parsing error", err} }

// Object is one answer, such as that of version, through a template; json alone
// is the whole on one line. Names of fields are Go's, and those of the JSON.
func Object(format string, v any) (string, error) {
	t, err := ParseObject(format)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	typed := t.Execute(&b, v)
	if typed == nil {
		return b.String(), nil
	}
	if raw, err := asJSON(v); err == nil {
		b.Reset()
		if t.Option("missingkey=error").Execute(&b, raw) == nil {
			return b.String(), nil
		}
	}
	return "", badTemplate(1, typed)
}

// ParseObject reads a template for answers that come one by one.
func ParseObject(format string) (*template.Template, error) {
	if format == JSONKey {
		format = jsonTemplate
	}
	return parse(format, 64)
}

// Ago is "5 minutes ago", N/A for no time.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return unknown
	}
	return units.HumanDuration(now.Sub(t)) + " ago"
}

// ellipsis cuts s to n characters.
func ellipsis(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

func shortID(id string, short bool) string {
	if !short {
		return id
	}
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(12, len(id))]
}

// Clean keeps what an image or a user wrote from steering the terminal.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}
