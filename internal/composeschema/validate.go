// SPDX-License-Identifier: Apache-2.0

package jsonschema

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/message"
)

// Schema is what a value has to be like: rules that are made of a document's text for
// the first value that is held against them.
type Schema struct {
	from  *compilation
	place string
	text  document
	once  sync.Once
	err   error
	*rules
}

// rules are a schema's own.
type rules struct {
	never       bool // nothing is right
	types       []string
	enum        []any
	format      *Format
	ref         *Schema
	required    []string
	properties  map[string]*Schema
	patterns    []patterned
	additional  *Schema
	unevaluated *Schema // of what nothing else of this schema is about
	items       *Schema
	unique      bool
	pattern     *regexp.Regexp
	minimum     *big.Rat
	maximum     *big.Rat

	allOf, anyOf, oneOf []*Schema
}

// patterned is what the properties with such names are like.
type patterned struct {
	name *regexp.Regexp
	of   *Schema
}

// ErrorKind is what is wrong.
type ErrorKind interface {
	LocalizedString(*message.Printer) string
}

// broken is a schema that cannot be made.
type broken struct{ err error }

func (b broken) LocalizedString(*message.Printer) string {
	return "the schema is broken: " + b.err.Error()
}

// ValidationError is a mistake in a value, or a group of them.
type ValidationError struct {
	InstanceLocation []string // where it is
	ErrorKind        ErrorKind
	Causes           []*ValidationError
}

func (e *ValidationError) Error() string {
	return fmt.Sprintf("at %v: %s", e.InstanceLocation, e.ErrorKind.LocalizedString(nil))
}

// Validate checks a value of JSON, as [encoding/json] reads one; what it returns is
// a [*ValidationError].
func (s *Schema) Validate(v any) error {
	err := s.check(v, nil)
	if err == nil {
		return nil
	}
	top := &ValidationError{ErrorKind: kind.Schema{}, Causes: []*ValidationError{err}}
	if _, ok := err.ErrorKind.(kind.Group); ok {
		top.Causes = err.Causes
	}
	return top
}

// visit is one value that is checked against one schema.
type visit struct {
	at     []string
	causes []*ValidationError
}

func (v *visit) mistake(k ErrorKind, causes ...*ValidationError) *ValidationError {
	return &ValidationError{InstanceLocation: slices.Clone(v.at), ErrorKind: k, Causes: causes}
}

func (v *visit) add(k ErrorKind, causes ...*ValidationError) {
	v.causes = append(v.causes, v.mistake(k, causes...))
}

// below checks a value inside of this one.
func (v *visit) below(s *Schema, value any, key string) {
	if err := s.check(value, append(v.at, key)); err != nil {
		v.causes = append(v.causes, err)
	}
}

// check is the library's order: what is wrong about the value as a whole is all
// that is told; else everything that is wrong within.
func (s *Schema) check(value any, at []string) *ValidationError {
	v := &visit{at: at}
	if err := s.make(); err != nil {
		return v.mistake(broken{err})
	}
	switch {
	case s.never:
		return v.mistake(kind.FalseSchema{})
	case len(s.types) > 0 && !slices.ContainsFunc(s.types, func(t string) bool { return isOf(value, t) }):
		return v.mistake(&kind.Type{Got: typeOf(value), Want: slices.Clone(s.types)})
	case len(s.enum) > 0 && !slices.ContainsFunc(s.enum, func(w any) bool { return reflect.DeepEqual(value, w) }):
		return v.mistake(&kind.Enum{Want: s.enum})
	}
	if s.format != nil {
		if err := s.format.Validate(value); err != nil {
			return v.mistake(&kind.Format{Got: value, Want: s.format.Name, Err: err})
		}
	}
	if s.ref != nil {
		if err := s.ref.check(value, at); err != nil {
			v.add(kind.Reference{}, ungrouped(err)...)
		}
	}
	switch value := value.(type) {
	case map[string]any:
		s.checkMapping(v, value)
	case []any:
		s.checkList(v, value)
	case string:
		if s.pattern != nil && !s.pattern.MatchString(value) {
			v.add(&kind.Pattern{Got: value, Want: s.pattern.String()})
		}
	case float64:
		s.checkNumber(v, value)
	}
	s.checkAlternatives(v, value)
	s.checkRest(v, value)
	switch len(v.causes) {
	case 0:
		return nil
	case 1:
		return v.causes[0]
	}
	return v.mistake(kind.Group{}, v.causes...)
}

func ungrouped(err *ValidationError) []*ValidationError {
	if _, ok := err.ErrorKind.(kind.Group); ok {
		return err.Causes
	}
	return []*ValidationError{err}
}

func (s *Schema) checkMapping(v *visit, m map[string]any) {
	var missing, foreign []string
	for _, k := range s.required {
		if _, ok := m[k]; !ok {
			missing = append(missing, k)
		}
	}
	if len(missing) > 0 {
		v.add(&kind.Required{Missing: missing})
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		known := false
		if of, ok := s.properties[k]; ok {
			known = true
			v.below(of, m[k], k)
		}
		for _, p := range s.patterns {
			if p.name.MatchString(k) {
				known = true
				v.below(p.of, m[k], k)
			}
		}
		switch {
		case known || s.additional == nil:
		case s.additional.isNever():
			foreign = append(foreign, k)
		default:
			v.below(s.additional, m[k], k)
		}
	}
	if len(foreign) > 0 {
		v.add(&kind.AdditionalProperties{Properties: foreign})
	}
}

func (s *Schema) isNever() bool { return s.make() == nil && s.never }

// checkRest checks the properties that neither this schema nor those that it has
// by reference or in allOf are about. The specification has no other way to say
// a service's.
func (s *Schema) checkRest(v *visit, value any) {
	m, ok := value.(map[string]any)
	if !ok || s.unevaluated == nil {
		return
	}
	var foreign []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		switch {
		case s.isAbout(k):
		case s.unevaluated.isNever():
			foreign = append(foreign, k)
		default:
			v.below(s.unevaluated, m[k], k)
		}
	}
	if len(foreign) > 0 {
		v.add(&kind.AdditionalProperties{Properties: foreign})
	}
}

func (s *Schema) isAbout(property string) bool {
	if s.make() != nil {
		return false // it is told where the value is held against it
	}
	if _, ok := s.properties[property]; ok || s.additional != nil {
		return true
	}
	if slices.ContainsFunc(s.patterns, func(p patterned) bool { return p.name.MatchString(property) }) || s.ref != nil && s.ref.isAbout(property) {
		return true
	}
	return slices.ContainsFunc(s.allOf, func(o *Schema) bool { return o.isAbout(property) })
}

func (s *Schema) checkList(v *visit, list []any) {
	if i, j := twins(list); s.unique && j > 0 {
		v.add(&kind.UniqueItems{Duplicates: [2]int{i, j}})
	}
	if s.items == nil {
		return
	}
	for i, item := range list {
		v.below(s.items, item, strconv.Itoa(i))
	}
}

// twins finds two equal items; j is 0 if there are none.
func twins(list []any) (i, j int) {
	for j := 1; j < len(list); j++ {
		for i := range j {
			if reflect.DeepEqual(list[i], list[j]) {
				return i, j
			}
		}
	}
	return 0, 0
}

func (s *Schema) checkNumber(v *visit, f float64) {
	n := new(big.Rat).SetFloat64(f)
	if s.minimum != nil && n.Cmp(s.minimum) < 0 {
		v.add(&kind.Minimum{Got: n, Want: s.minimum})
	}
	if s.maximum != nil && n.Cmp(s.maximum) > 0 {
		v.add(&kind.Maximum{Got: n, Want: s.maximum})
	}
}

func (s *Schema) checkAlternatives(v *visit, value any) {
	tryAll := func(list []*Schema) (wrong []*ValidationError, right []int) {
		for i, o := range list {
			if err := o.check(value, v.at); err != nil {
				wrong = append(wrong, err)
				continue
			}
			right = append(right, i)
		}
		return wrong, right
	}
	if wrong, _ := tryAll(s.allOf); len(wrong) > 0 {
		v.add(kind.AllOf{}, wrong...)
	}
	if wrong, right := tryAll(s.anyOf); len(s.anyOf) > 0 && len(right) == 0 {
		v.add(kind.AnyOf{}, wrong...)
	}
	switch wrong, right := tryAll(s.oneOf); {
	case len(s.oneOf) == 0 || len(right) == 1:
	case len(right) == 0:
		v.add(&kind.OneOf{}, wrong...)
	default:
		v.add(&kind.OneOf{Subschemas: right[:2]})
	}
}

func isOf(v any, t string) bool {
	got := typeOf(v)
	if f, ok := v.(float64); ok && t == "integer" {
		return f == math.Trunc(f)
	}
	return got == t
}

// typeOf is the name that JSON schemas have for the type of a value.
func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}
