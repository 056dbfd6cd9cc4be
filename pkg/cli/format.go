// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"text/template"
	"time"

	"github.com/docker/go-units"
)

// column is one column of a table: its heading and its field in templates.
type column struct{ head, field string }

// row is one line of a list: field names to texts. Every value is a text, in
// JSON too, as in Docker.
type row map[string]string

// Label gives templates {{.Label "key"}}.
func (r row) Label(key string) string {
	for _, kv := range strings.Split(r["Labels"], ",") {
		if k, v, _ := strings.Cut(kv, "="); k == key {
			return v
		}
	}
	return ""
}

// list prints rows: as a table of columns, or as format says: "json", "table
// TEMPLATE" or TEMPLATE. The fields of all rows are those of every.
func (e *env) list(format string, columns []column, every []column, rows []row) error {
	return writeList(e.stdout, format, columns, every, rows)
}

func writeList(w io.Writer, format string, columns []column, every []column, rows []row) error {
	switch {
	case format == "" || format == "table":
		var names []string
		for _, c := range columns {
			names = append(names, "{{."+c.field+"}}")
		}
		return printTable(w, strings.Join(names, "\t"), every, rows)
	case format == "json" || format == "{{json .}}":
		for _, r := range rows {
			data, err := json.Marshal(r)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s\n", data)
		}
		return nil
	case strings.HasPrefix(format, "table "):
		return printTable(w, strings.TrimPrefix(format, "table "), every, rows)
	}
	t, err := parseTemplate(format)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := execTemplate(w, t, r); err != nil {
			return err
		}
	}
	return nil
}

func printTable(w io.Writer, text string, every []column, rows []row) error {
	text = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(text)
	t, err := parseTemplate(text)
	if err != nil {
		return err
	}
	heads := row{}
	for _, c := range every {
		heads[c.field] = c.head
	}
	var b bytes.Buffer
	tw := tabwriter.NewWriter(&b, 10, 1, 3, ' ', 0)
	for _, r := range append([]row{heads}, rows...) {
		if err := execTemplate(tw, t, r); err != nil {
			return err
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

func execTemplate(w io.Writer, t *template.Template, r row) error {
	var b bytes.Buffer
	if err := t.Execute(&b, r); err != nil {
		return cliErrorf("template parsing error: %v", err)
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

// parseTemplate knows Docker's functions. A field that a row does not have is
// an error.
func parseTemplate(text string) (*template.Template, error) {
	t, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			err := enc.Encode(v)
			return strings.TrimSpace(b.String()), err
		},
		"split":   strings.Split,
		"join":    joinAny,
		"title":   func(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] },
		"lower":   strings.ToLower,
		"upper":   strings.ToUpper,
		"println": fmt.Sprintln,
		"pad": func(s string, prefix, suffix int) string {
			return strings.Repeat(" ", prefix) + s + strings.Repeat(" ", suffix)
		},
		"truncate": func(s string, n int) string { return s[:min(n, len(s))] },
	}).Parse(text)
	if err != nil {
		return nil, cliErrorf("template parsing error: %v", err)
	}
	return t, nil
}

func joinAny(list any, sep string) string {
	var parts []string
	for v := reflect.ValueOf(list); v.Kind() == reflect.Slice && len(parts) < v.Len(); {
		parts = append(parts, fmt.Sprint(v.Index(len(parts))))
	}
	return strings.Join(parts, sep)
}

// inspect prints objects: as a JSON array, or each through a template. A bad
// template ends with 64, as in Docker.
func (e *env) inspect(format string, objects []any) error {
	if format == "" || format == "json" {
		if objects == nil {
			objects = []any{}
		}
		data, err := marshal(objects, format == "")
		if err != nil {
			return err
		}
		_, err = e.stdout.Write(data)
		return err
	}
	t, err := parseTemplate(format)
	if err != nil {
		return &exitError{64, err}
	}
	for _, o := range objects {
		// Through JSON, so that templates see the names that the JSON has.
		data, err := json.Marshal(o)
		if err != nil {
			return err
		}
		var generic any
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		if err := dec.Decode(&generic); err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, generic); err != nil {
			return cliErrorf("template parsing error: %v", err)
		}
		fmt.Fprintln(e.stdout, b.String())
	}
	return nil
}

func marshal(v any, indent bool) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if indent {
		enc.SetIndent("", "    ")
	}
	err := enc.Encode(v)
	return b.Bytes(), err
}

// ago is "5 minutes ago", or nothing for no time.
func ago(t time.Time) string {
	if t.IsZero() {
		return "N/A"
	}
	return units.HumanDuration(time.Since(t)) + " ago"
}

// size is 7.83MB.
func size(n int64) string { return units.HumanSizeWithPrecision(float64(n), 3) }

// dockerTime is how lists show a whole time.
func dockerTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 -0700 MST") }

func labelText(m map[string]string) string {
	var list []string
	for k, v := range m {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

// clean keeps what an image or a user wrote from steering the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}
