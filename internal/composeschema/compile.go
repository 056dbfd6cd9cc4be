// SPDX-License-Identifier: Apache-2.0

package jsonschema

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
)

// UnmarshalJSON reads one JSON value.
func UnmarshalJSON(r io.Reader) (any, error) {
	var v any
	err := json.NewDecoder(r).Decode(&v)
	return v, err
}

// Format is a format that strings may be asked to have.
type Format struct {
	Name     string
	Validate func(v any) error
}

// Compiler makes schemas of documents.
type Compiler struct {
	docs    map[string]any
	formats map[string]*Format
}

// NewCompiler has no documents yet.
func NewCompiler() *Compiler {
	return &Compiler{docs: map[string]any{}, formats: map[string]*Format{}}
}

// AddResource gives a document its name.
func (c *Compiler) AddResource(name string, doc any) error {
	c.docs[name] = doc
	return nil
}

// RegisterFormat makes a format known; others are not checked.
func (c *Compiler) RegisterFormat(f *Format) { c.formats[f.Name] = f }

// Compile makes a schema of a document, whose references are within it.
func (c *Compiler) Compile(name string) (*Schema, error) {
	doc, ok := c.docs[name]
	if !ok {
		return nil, fmt.Errorf("no document %q", name)
	}
	return (&compilation{compiler: c, root: doc, made: map[string]*Schema{}, exprs: map[string]*regexp.Regexp{}}).at("#", doc)
}

// compilation is of one document.
type compilation struct {
	compiler *Compiler
	root     any
	exprs    map[string]*regexp.Regexp // most are the same: ^x-
	made     map[string]*Schema        // by place: those that references lead to may contain themselves
}

// annotations are keywords that check nothing.
var annotations = []string{"$schema", "$id", "$defs", "title", "description", "default", "deprecated"}

func (c *compilation) at(place string, doc any) (*Schema, error) {
	if s, ok := c.made[place]; ok {
		return s, nil
	}
	s := &Schema{}
	c.made[place] = s
	keywords, ok := doc.(map[string]any)
	if !ok {
		allowed, ok := doc.(bool)
		if s.never = !allowed; !ok {
			return nil, fmt.Errorf("%s: a schema is a mapping or a boolean", place)
		}
		return s, nil
	}
	for _, k := range slices.Sorted(maps.Keys(keywords)) {
		if slices.Contains(annotations, k) {
			continue
		}
		if err := c.keyword(s, k, keywords[k], place+"/"+k); err != nil {
			return nil, fmt.Errorf("%s/%s: %w", place, k, err)
		}
	}
	return s, nil
}

// keyword takes one keyword into a schema.
func (c *compilation) keyword(s *Schema, name string, v any, place string) (err error) {
	switch name {
	case "$ref":
		s.ref, err = c.refer(v)
	case "type":
		s.types, err = words(v)
	case "enum":
		s.enum, _ = v.([]any)
	case "format":
		name, _ := v.(string)
		s.format = c.compiler.formats[name]
	case "required":
		s.required, err = words(v)
	case "uniqueItems":
		s.unique, _ = v.(bool)
	case "pattern":
		text, _ := v.(string)
		s.pattern, err = c.expr(text)
	case "minimum":
		s.minimum, err = number(v)
	case "maximum":
		s.maximum, err = number(v)
	case "items":
		s.items, err = c.at(place, v)
	case "additionalProperties":
		s.additional, err = c.at(place, v)
	case "unevaluatedProperties":
		s.unevaluated, err = c.at(place, v)
	case "properties":
		s.properties, err = c.mapping(place, v)
	case "patternProperties":
		s.patterns, err = c.patterns(place, v)
	case "allOf":
		s.allOf, err = c.list(place, v)
	case "anyOf":
		s.anyOf, err = c.list(place, v)
	case "oneOf":
		s.oneOf, err = c.list(place, v)
	default:
		err = fmt.Errorf("the keyword is not known")
	}
	return err
}

// refer finds what a reference within the document leads to.
func (c *compilation) refer(v any) (*Schema, error) {
	place, _ := v.(string)
	path, ok := strings.CutPrefix(place, "#/")
	if !ok {
		return nil, fmt.Errorf("a reference out of the document: %q", place)
	}
	doc := c.root
	for key := range strings.SplitSeq(path, "/") {
		in, _ := doc.(map[string]any)
		if doc, ok = in[key]; !ok {
			return nil, fmt.Errorf("a reference to nothing: %q", place)
		}
	}
	return c.at(place, doc)
}

func (c *compilation) mapping(place string, v any) (map[string]*Schema, error) {
	docs, _ := v.(map[string]any)
	all := map[string]*Schema{}
	for k, doc := range docs {
		s, err := c.at(place+"/"+k, doc)
		if err != nil {
			return nil, err
		}
		all[k] = s
	}
	return all, nil
}

func (c *compilation) patterns(place string, v any) (list []patterned, err error) {
	all, err := c.mapping(place, v)
	if err != nil {
		return nil, err
	}
	for _, text := range slices.Sorted(maps.Keys(all)) {
		expr, err := c.expr(text)
		if err != nil {
			return nil, err
		}
		list = append(list, patterned{expr, all[text]})
	}
	return list, nil
}

func (c *compilation) expr(text string) (*regexp.Regexp, error) {
	if r, ok := c.exprs[text]; ok {
		return r, nil
	}
	r, err := regexp.Compile(text)
	c.exprs[text] = r
	return r, err
}

func (c *compilation) list(place string, v any) (all []*Schema, err error) {
	docs, _ := v.([]any)
	for i, doc := range docs {
		s, err := c.at(fmt.Sprintf("%s/%d", place, i), doc)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// words are one text or several.
func words(v any) (list []string, err error) {
	if one, ok := v.(string); ok {
		return []string{one}, nil
	}
	all, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("neither a text nor a list of them")
	}
	for _, w := range all {
		text, ok := w.(string)
		if !ok {
			return nil, fmt.Errorf("not a text: %v", w)
		}
		list = append(list, text)
	}
	return list, nil
}

func number(v any) (*big.Rat, error) {
	f, ok := v.(float64)
	if !ok {
		return nil, fmt.Errorf("not a number: %v", v)
	}
	return new(big.Rat).SetFloat64(f), nil
}
