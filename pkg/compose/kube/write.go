// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Note is something that could not be carried over as it is.
type Note struct {
	What string // service, container, volume, network, config or secret
	Name string // its own
	Key  string // what it says
	Text string // what becomes of it, or why nothing does
}

func (n Note) String() string {
	return line(fmt.Sprintf("%s %q: %s: %s", n.What, n.Name, n.Key, n.Text))
}

// Result is what a project is on a cluster.
type Result struct {
	Objects []Object
	Notes   []Note
}

// Write writes the objects as a stream of YAML documents, with title as its first
// line, and each note as a comment: above what is made of a service, or at the top.
func (r Result) Write(w io.Writer, title string) error {
	above := make([][]Note, len(r.Objects))
	top := []Note{}
	for _, n := range r.Notes {
		i := slices.IndexFunc(r.Objects, func(o Object) bool { return slices.Contains(o.of, n.Name) })
		if n.What != "service" && n.What != "container" || i < 0 {
			top = append(top, n)
		} else {
			above[i] = append(above[i], n)
		}
	}
	var b strings.Builder
	comment(&b, title)
	for _, n := range top {
		comment(&b, n.String())
	}
	for i, o := range r.Objects {
		b.WriteString("---\n")
		for _, n := range above[i] {
			comment(&b, n.String())
		}
		var node yaml.Node
		err := node.Encode(o)
		if err == nil && isBinary(&node) {
			err = errors.New("a text in it is not UTF-8")
		}
		if err != nil {
			return fmt.Errorf("write %s %s: %w", o.Kind, o.Metadata.Name, err)
		}
		quote(&node)
		enc := yaml.NewEncoder(&b)
		enc.SetIndent(2)
		if err := enc.Encode(&node); err != nil {
			return fmt.Errorf("write %s %s: %w", o.Kind, o.Metadata.Name, err)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// isBinary reports whether there is something that YAML writes as !!binary, which
// Kubernetes does not read as the text that it was.
func isBinary(n *yaml.Node) bool {
	return n.Tag == "!!binary" || slices.ContainsFunc(n.Content, isBinary)
}

// quote has the texts in quotes that YAML 1.1 has a meaning for which the encoder
// leaves to them.
func quote(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && (n.Value == "<<" || n.Value == "=") {
		n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	}
	for _, inner := range n.Content {
		quote(inner)
	}
}

// comment writes a line of which nothing gets out of the comment.
func comment(b *strings.Builder, text string) {
	b.WriteString("# " + line(text) + "\n")
}

// line keeps a text on one, and from a terminal what is not for it.
func line(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}
