// SPDX-License-Identifier: Apache-2.0

package command

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func readKeys(t testing.TB, text string) ([]string, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "vars")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return ReadKeyFile(name, func(k string) (string, bool) { return "host", k == "SET" })
}

func TestReadKeyFile(t *testing.T) {
	for text, want := range map[string][]string{
		"":                   nil,
		"A=1\nB=2":           {"A=1", "B=2"},
		"\ufeffA=1\n":        {"A=1"},
		"  \tA=1 \n":         {"A=1 "},
		"# no\n\nA=#yes":     {"A=#yes"},
		"A=b=c\nB='q'\nC=$A": {"A=b=c", "B='q'", "C=$A"},
		"SET\nUNSET\nA=":     {"SET=host", "A="},
		"A=1\r\n":            {"A=1"},
	} {
		if got, err := readKeys(t, text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"A B=1":     "variable 'A B' contains whitespaces",
		"A =1":      "variable 'A ' contains whitespaces",
		"=1":        "no variable name on line '=1'",
		"A=1\n\xff": "invalid utf8 bytes at line 2: [255]",
	} {
		if _, err := readKeys(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

func FuzzReadKeyFile(f *testing.F) {
	for _, s := range []string{"A=1", "#", "\ufeff A", "=", "A\x00=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := readKeys(t, text)
		for _, kv := range list {
			if err == nil && strings.IndexByte(kv, '=') < 1 {
				t.Errorf("%q gives %q", text, kv)
			}
		}
	})
}
