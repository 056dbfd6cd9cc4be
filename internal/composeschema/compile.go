// SPDX-License-Identifier: Apache-2.0

package jsonschema

import (
	"fmt"
	"io"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// UnmarshalJSON takes one JSON value, of which nothing is read yet.
func UnmarshalJSON(r io.Reader) (any, error) {
	var text strings.Builder
	_, err := io.Copy(&text, r)
	return document(text.String()), err
}

// Format is a format that strings may be asked to have.
type Format struct {
	Name     string
	Validate func(v any) error
}

// Compiler makes schemas of documents.
type Compiler struct {
	docs    map[string]document
	formats map[string]*Format
}

// NewCompiler has no documents yet.
func NewCompiler() *Compiler {
	return &Compiler{docs: map[string]document{}, formats: map[string]*Format{}}
}

// AddResource gives a document of [UnmarshalJSON] its name.
func (c *Compiler) AddResource(name string, doc any) error {
	text, ok := doc.(document)
	if !ok {
		return fmt.Errorf("a document of another kind: %T", doc)
	}
	c.docs[name] = text
	return nil
}

// RegisterFormat makes a format known; others are not checked.
func (c *Compiler) RegisterFormat(f *Format) { c.formats[f.Name] = f }

// Compile makes a schema of a document, whose references are within it. What is in
// it is made as values ask for it; [Schema.Complete] makes the rest.
func (c *Compiler) Compile(name string) (*Schema, error) {
	doc, ok := c.docs[name]
	if !ok {
		return nil, fmt.Errorf("no document %q", name)
	}
	s := (&compilation{compiler: c, root: doc, made: map[string]*Schema{}, exprs: map[string]*regexp.Regexp{}}).at("#", doc)
	return s, s.make()
}

// compilation is of one document.
type compilation struct {
	compiler *Compiler
	root     document

	mu    sync.Mutex
	exprs map[string]*regexp.Regexp // most are the same: ^x-
	made  map[string]*Schema        // by place: those that references lead to may contain themselves
	shelf map[string]document       // $defs, which most references lead to
}

// annotations are keywords that check nothing.
var annotations = []string{"$schema", "$id", "$defs", "title", "description", "default", "deprecated"}

// at is the schema at a place, not made yet.
func (c *compilation) at(place string, doc document) *Schema {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.made[place]
	if !ok {
		s = &Schema{from: c, place: place, text: doc}
		c.made[place] = s
	}
	return s
}

// make reads the schema's own keywords, once.
func (s *Schema) make() error {
	s.once.Do(func() {
		s.rules = &rules{}
		s.err = s.from.rules(s.rules, s.place, s.text)
		s.text = ""
	})
	return s.err
}

// Complete makes all that there is of a schema. The error is of the first keyword that
// is not known, or not what it should be.
func (s *Schema) Complete() error {
	if err := s.make(); err != nil {
		return err
	}
	c := s.from
	for done := map[*Schema]bool{}; ; {
		c.mu.Lock()
		all := slices.Collect(maps.Values(c.made))
		c.mu.Unlock()
		if len(all) == len(done) {
			return nil
		}
		for _, s := range all {
			if err := s.make(); err != nil {
				return err
			}
			done[s] = true
		}
	}
}

func (c *compilation) rules(s *rules, place string, doc document) error {
	if doc == "true" || doc == "false" {
		s.never = doc == "false"
		return nil
	}
	keywords, err := doc.members()
	if err != nil {
		return fmt.Errorf("%s: a schema is a mapping or a boolean", place)
	}
	for _, k := range slices.Sorted(maps.Keys(keywords)) {
		if slices.Contains(annotations, k) {
			continue
		}
		if err := c.keyword(s, k, keywords[k], place+"/"+k); err != nil {
			return fmt.Errorf("%s/%s: %w", place, k, err)
		}
	}
	return nil
}

// keyword takes one keyword into a schema.
func (c *compilation) keyword(s *rules, name string, v document, place string) (err error) {
	switch name {
	case "$ref":
		s.ref, err = c.refer(v)
	case "type":
		s.types, err = words(v)
	case "enum":
		err = v.read(&s.enum)
	case "format":
		err = v.read(&name)
		s.format = c.compiler.formats[name]
	case "required":
		s.required, err = words(v)
	case "uniqueItems":
		err = v.read(&s.unique)
	case "pattern":
		var text string
		if err = v.read(&text); err == nil {
			s.pattern, err = c.expr(text)
		}
	case "minimum":
		s.minimum, err = number(v)
	case "maximum":
		s.maximum, err = number(v)
	case "items":
		s.items = c.at(place, v)
	case "additionalProperties":
		s.additional = c.at(place, v)
	case "unevaluatedProperties":
		s.unevaluated = c.at(place, v)
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
func (c *compilation) refer(v document) (*Schema, error) {
	var place string
	err := v.read(&place)
	path, ok := strings.CutPrefix(place, "#/")
	if err != nil || !ok {
		return nil, fmt.Errorf("a reference out of the document: %q", place)
	}
	c.mu.Lock()
	made := c.made[place]
	c.mu.Unlock()
	if made != nil {
		return made, nil
	}
	doc, in := c.root, map[string]document(nil)
	if inDefs, ok := strings.CutPrefix(path, "$defs/"); ok {
		if in, err = c.defs(); err != nil {
			return nil, err
		}
		path = inDefs
	}
	for key := range strings.SplitSeq(path, "/") {
		if in == nil {
			in, _ = doc.members()
		}
		if doc, ok = in[key]; !ok {
			return nil, fmt.Errorf("a reference to nothing: %q", place)
		}
		in = nil
	}
	return c.at(place, doc), nil
}

// defs are the document's definitions, which are nearly all of it.
func (c *compilation) defs() (map[string]document, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shelf == nil {
		top, err := c.root.members()
		if err != nil {
			return nil, err
		}
		if c.shelf, err = top["$defs"].members(); err != nil {
			return nil, fmt.Errorf("$defs: %w", err)
		}
	}
	return c.shelf, nil
}

func (c *compilation) mapping(place string, v document) (map[string]*Schema, error) {
	docs, err := v.members()
	all := make(map[string]*Schema, len(docs))
	for k, doc := range docs {
		all[k] = c.at(place+"/"+k, doc)
	}
	return all, err
}

func (c *compilation) patterns(place string, v document) (list []patterned, err error) {
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
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.exprs[text]; ok {
		return r, nil
	}
	r, err := regexp.Compile(text)
	c.exprs[text] = r
	return r, err
}

func (c *compilation) list(place string, v document) (all []*Schema, err error) {
	docs, err := v.elements()
	for i, doc := range docs {
		all = append(all, c.at(fmt.Sprintf("%s/%d", place, i), doc))
	}
	return all, err
}

// words are one text or several.
func words(v document) (list []string, err error) {
	var one string
	if v.read(&one) == nil {
		return []string{one}, nil
	}
	err = v.read(&list)
	return list, err
}

func number(v document) (*big.Rat, error) {
	var f float64
	err := v.read(&f)
	return new(big.Rat).SetFloat64(f), err
}
