// SPDX-License-Identifier: Apache-2.0

package load

import (
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiled(t *testing.T, text string) (*jsonschema.Schema, error) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("x", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("x")
	if err == nil {
		err = s.Complete()
	}
	return s, err
}

// TestTheWholeSchemaIsKnown: of the specification's schema is read what a file asks
// for; here all of it is.
func TestTheWholeSchemaIsKnown(t *testing.T) {
	if _, err := compiled(t, schema.Schema); err != nil {
		t.Fatal(err)
	}
}

func TestSchemasThatAreNone(t *testing.T) {
	for _, text := range []string{
		``, `12`, `{`, `{"type"`, `{"type": }`, `{"type": "string"`, `{"type": 3}`, `{"whatever": 1}`, `{"items": 7}`, `{"$ref": "other#/a"}`,
		`{"$ref": "#/$defs/none"}`, `{"properties": {"a": {"b": {}}}}`, `{"pattern": "("}`, `{"anyOf": [{"minimum": "x"}]}`, `{"properties" {}}`,
	} {
		if _, err := compiled(t, text); err == nil {
			t.Errorf("%s is a schema", text)
		}
	}
}

// TestSchemaText has what a text of JSON may have around and within its values.
func TestSchemaText(t *testing.T) {
	s, err := compiled(t, ` { "properties" : { "a\"}]\u0062":{"type":["string" ,"null"]},"c": {"$ref":"#/$defs/c"} },"additionalProperties":false
		, "$defs": { "c": {"items": {"enum": [ "}", [1,{"x":"]"}] , true]}} } } `)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{
		map[string]any{"a\"}]b": "x"}, map[string]any{"a\"}]b": nil},
		map[string]any{"c": []any{"}", []any{1.0, map[string]any{"x": "]"}}, true}},
	} {
		if err := s.Validate(v); err != nil {
			t.Errorf("%v: %v", v, err)
		}
	}
	for _, v := range []any{
		map[string]any{"a\"}]b": 1.0}, map[string]any{"a": 1.0}, map[string]any{"c": []any{"]"}}, map[string]any{"c": []any{[]any{1.0}}},
	} {
		if err := s.Validate(v); err == nil {
			t.Errorf("%v is right", v)
		}
	}
}
