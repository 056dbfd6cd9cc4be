// SPDX-License-Identifier: Apache-2.0

package projects

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

// keysOf are the keys of a type, those of what it embeds among them.
func keysOf(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case f.Anonymous && strings.Contains(options, "inline"):
			names = append(names, keysOf(f.Type)...)
		case name != "" && name != "-" && name[0] != '#':
			names = append(names, name)
		}
	}
	return names
}

// Covers fails where a table of keys, each with what it has below it as in
// "deploy.mode", lacks a key of a service, has one twice, or one that does not exist.
func Covers(t testing.TB, table []string) {
	t.Helper()
	service := keysOf(reflect.TypeFor[types.ServiceConfig]())
	if len(service) < 90 {
		t.Fatalf("only %d keys", len(service))
	}
	told := map[string]bool{}
	for _, key := range table {
		if told[key] {
			t.Errorf("%s is in the table twice", key)
		}
		told[key] = true
		if top, _, _ := strings.Cut(key, "."); !slices.Contains(service, top) {
			t.Errorf("%s is no key of a service", key)
		}
	}
	for _, key := range service {
		if !told[key] {
			t.Errorf("%s is not in the table", key)
		}
	}
}
