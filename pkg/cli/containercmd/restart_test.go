// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"errors"
	"strings"
	"testing"

	"coracle/pkg/container"
)

// TestWaves: whoever joins a container comes after it, over any number of steps.
func TestWaves(t *testing.T) {
	joins := map[string]string{"one": "", "two": "one", "three": "two", "other": "", "apart": "elsewhere", "this": "that", "that": "this"}
	lookup := func(name string) (*container.Container, error) {
		of, ok := joins[name]
		if !ok {
			return nil, errors.New("no such container")
		}
		c := &container.Container{}
		c.ID, c.Safety.PIDOf = name, of
		return c, nil
	}
	for args, want := range map[string]string{
		"":                    "",
		"one":                 "one",
		"none":                "none",
		"three two one":       "one|two|three",
		"one two three":       "one|two|three",
		"two three":           "two|three",
		"one three":           "one three",
		"two other one none":  "other one none|two",
		"apart one":           "apart one",
		"this one that":       "one|this that",
		"one one":             "one one",
		"three one other two": "one other|two|three",
		"two two one":         "one|two two",
	} {
		var got []string
		for _, wave := range waves(strings.Fields(args), lookup) {
			got = append(got, strings.Join(wave, " "))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
}
