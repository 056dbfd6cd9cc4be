// SPDX-License-Identifier: Apache-2.0

// Package kind is what can be wrong with a value, in the words of the library that
// package jsonschema stands in for.
package kind

import (
	"fmt"
	"math/big"
	"strings"

	"golang.org/x/text/message"
)

// The kinds that say nothing of their own: what is wrong is among their causes.
type (
	Schema    struct{}
	Group     struct{}
	Reference struct{}
	AllOf     struct{}
	AnyOf     struct{}
)

// LocalizedString is the library's words; so are those below.
func (Schema) LocalizedString(*message.Printer) string { return "jsonschema validation failed" }

// LocalizedString is what no message ends at.
func (Group) LocalizedString(*message.Printer) string { return "validation failed" }

// LocalizedString is what no message ends at.
func (Reference) LocalizedString(*message.Printer) string { return "validation failed" }

// LocalizedString is what no message ends at.
func (AllOf) LocalizedString(*message.Printer) string { return "allOf failed" }

// LocalizedString is what no message ends at.
func (AnyOf) LocalizedString(*message.Printer) string { return "anyOf failed" }

// FalseSchema is a value where none may be.
type FalseSchema struct{}

// LocalizedString says so.
func (FalseSchema) LocalizedString(*message.Printer) string { return "false schema" }

// OneOf is a value that none or several of the alternatives let through.
type OneOf struct {
	Subschemas []int // the first two that did, or none
}

// LocalizedString names them.
func (k *OneOf) LocalizedString(*message.Printer) string {
	if len(k.Subschemas) == 0 {
		return "oneOf failed, none matched"
	}
	return fmt.Sprintf("oneOf failed, subschemas %d, %d matched", k.Subschemas[0], k.Subschemas[1])
}

// Type is a value of another type.
type Type struct {
	Got  string
	Want []string
}

// LocalizedString names the types; compose-go has words of its own.
func (k *Type) LocalizedString(*message.Printer) string {
	return fmt.Sprintf("got %s, want %s", k.Got, strings.Join(k.Want, " or "))
}

// Enum is a value that is none of those there are.
type Enum struct{ Want []any }

// LocalizedString names those.
func (k *Enum) LocalizedString(*message.Printer) string {
	var want []string
	for _, v := range k.Want {
		want = append(want, display(v))
	}
	if len(want) == 1 {
		return "value must be " + want[0]
	}
	return "value must be one of " + strings.Join(want, ", ")
}

// Format is a text that is not of a format.
type Format struct {
	Got  any
	Want string
	Err  error
}

// LocalizedString says which.
func (k *Format) LocalizedString(*message.Printer) string {
	return fmt.Sprintf("%s is not valid %s: %v", display(k.Got), k.Want, k.Err)
}

// Required is a mapping in which something is missing.
type Required struct{ Missing []string }

// LocalizedString says what.
func (k *Required) LocalizedString(*message.Printer) string {
	if len(k.Missing) == 1 {
		return "missing property " + quote(k.Missing[0])
	}
	return "missing properties " + joinQuoted(k.Missing)
}

// AdditionalProperties is a mapping with keys that it may not have.
type AdditionalProperties struct{ Properties []string }

// LocalizedString names them.
func (k *AdditionalProperties) LocalizedString(*message.Printer) string {
	return fmt.Sprintf("additional properties %s not allowed", joinQuoted(k.Properties))
}

// UniqueItems is a list that has something twice.
type UniqueItems struct{ Duplicates [2]int }

// LocalizedString says where.
func (k *UniqueItems) LocalizedString(*message.Printer) string {
	return fmt.Sprintf("items at %d and %d are equal", k.Duplicates[0], k.Duplicates[1])
}

// Pattern is a text that does not match.
type Pattern struct{ Got, Want string }

// LocalizedString says what it does not match.
func (k *Pattern) LocalizedString(*message.Printer) string {
	return fmt.Sprintf("%s does not match pattern %s", quote(k.Got), quote(k.Want))
}

// Minimum is a number that is too small.
type Minimum struct{ Got, Want *big.Rat }

// LocalizedString is the numbers; compose-go has words of its own.
func (k *Minimum) LocalizedString(*message.Printer) string {
	return "minimum: " + numbers(k.Got, k.Want)
}

// Maximum is a number that is too large.
type Maximum struct{ Got, Want *big.Rat }

// LocalizedString is the numbers; compose-go has words of its own.
func (k *Maximum) LocalizedString(*message.Printer) string {
	return "maximum: " + numbers(k.Got, k.Want)
}

func numbers(got, want *big.Rat) string {
	g, _ := got.Float64()
	w, _ := want.Float64()
	return fmt.Sprintf("got %v, want %v", g, w)
}

func quote(s string) string {
	s = strings.ReplaceAll(fmt.Sprintf("%q", s), `\"`, `"`)
	s = strings.ReplaceAll(s, `'`, `\'`)
	return "'" + s[1:len(s)-1] + "'"
}

func joinQuoted(list []string) string {
	var all []string
	for _, s := range list {
		all = append(all, quote(s))
	}
	return strings.Join(all, ", ")
}

func display(v any) string {
	if s, ok := v.(string); ok {
		return quote(s)
	}
	return fmt.Sprintf("%v", v)
}
