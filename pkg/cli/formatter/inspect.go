// SPDX-License-Identifier: Apache-2.0

package formatter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/template"
)

// Inspector prints what inspect found. A template is tried on the typed answer
// first, with Go's names of fields, and then on its JSON, with those of the API.
type Inspector struct {
	t      *template.Template // nil for JSON
	indent string
	out    bytes.Buffer
	found  []any
}

// NewInspector reads format: "" is JSON for people, json the same in one line,
// and anything else a template.
func NewInspector(format string) (*Inspector, error) {
	switch format {
	case "":
		return &Inspector{indent: "    "}, nil
	case JSONKey:
		return &Inspector{}, nil
	}
	t, err := parse(format, 64)
	return &Inspector{t: t}, err
}

// Add takes one answer. An error says what is wrong with the template; the
// others can be printed all the same.
func (i *Inspector) Add(answer any) error {
	if i.t == nil {
		i.found = append(i.found, answer)
		return nil
	}
	var b bytes.Buffer
	if i.t.Execute(&b, answer) != nil {
		b.Reset()
		raw, err := asJSON(answer)
		if err != nil {
			return fmt.Errorf("unable to read inspect data: %w", err)
		}
		if err := i.t.Option("missingkey=error").Execute(&b, raw); err != nil {
			return badTemplate(1, err)
		}
	}
	b.WriteByte('\n')
	i.out.Write(b.Bytes())
	return nil
}

// asJSON is what the API's JSON of an answer decodes to.
func asJSON(answer any) (raw any, err error) {
	data, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	err = dec.Decode(&raw)
	return raw, err
}

// Flush prints everything.
func (i *Inspector) Flush(w io.Writer) error {
	if i.t != nil {
		if i.out.Len() == 0 {
			i.out.WriteByte('\n')
		}
		_, err := w.Write(i.out.Bytes())
		return err
	}
	if i.found == nil {
		i.found = []any{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", i.indent)
	if err := enc.Encode(i.found); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}
