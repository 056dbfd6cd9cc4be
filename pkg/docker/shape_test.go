// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// sameShape compares the JSON of an answer with a file of testdata, which has
// been written after Docker's documentation of its API (1.51) and what its
// engine answers: the same fields, the same values, null where there is null.
// "*" there is any text but an empty one, "#" any number, ["..."] a list with
// something in it.
func sameShape(t *testing.T, file string, answer any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	data, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	for _, d := range differences("", want, got) {
		t.Errorf("%s: %s", file, d)
	}
}

func differences(path string, want, got any) (all []string) {
	differ := []string{fmt.Sprintf("%s is %v, want %v", path, text(got), text(want))}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return differ
		}
		for _, k := range slices.Sorted(maps.Keys(w)) {
			if _, ok := g[k]; !ok {
				all = append(all, path+"."+k+" is missing")
				continue
			}
			all = append(all, differences(path+"."+k, w[k], g[k])...)
		}
		for _, k := range slices.Sorted(maps.Keys(g)) {
			if _, ok := w[k]; !ok {
				all = append(all, path+"."+k+" is not Docker's")
			}
		}
		return all
	case []any:
		g, ok := got.([]any)
		if ok && len(g) > 0 && reflect.DeepEqual(w, []any{"..."}) {
			return nil
		}
		if !ok || len(g) != len(w) {
			return differ
		}
		for i := range w {
			all = append(all, differences(fmt.Sprintf("%s[%d]", path, i), w[i], g[i])...)
		}
		return all
	case string:
		if s, ok := got.(string); ok && w == "*" && s != "" {
			return nil
		}
		if _, ok := got.(float64); ok && w == "#" {
			return nil
		}
	}
	if reflect.DeepEqual(want, got) {
		return nil
	}
	return differ
}

func text(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}

// What compares must be able to find a difference of every kind.
func TestDifferencesAreFound(t *testing.T) {
	for _, c := range []struct {
		want, got string
		n         int
	}{
		{`{"A":null}`, `{"A":[]}`, 1}, {`{"A":[]}`, `{"A":null}`, 1}, {`{"A":{}}`, `{"A":null}`, 1}, {`{"A":""}`, `{}`, 1}, {`{}`, `{"A":""}`, 1},
		{`{"A":"*"}`, `{"A":""}`, 1}, {`{"A":"#"}`, `{"A":"1"}`, 1}, {`{"A":0}`, `{"A":"0"}`, 1}, {`{"A":["..."]}`, `{"A":[]}`, 1}, {`[1,2]`, `[2,1]`, 2},
		{`{"A":"*","B":"#","C":["..."]}`, `{"A":"x","B":7,"C":[1]}`, 0},
	} {
		var want, got any
		if json.Unmarshal([]byte(c.want), &want) != nil || json.Unmarshal([]byte(c.got), &got) != nil {
			t.Fatal(c)
		}
		if d := differences("", want, got); len(d) != c.n {
			t.Errorf("%s against %s: %v", c.want, c.got, d)
		}
	}
}
