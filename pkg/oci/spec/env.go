// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"slices"
	"strings"
)

// DefaultPath is the PATH of a process whose image sets none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// MergeEnv puts changes, NAME=VALUE, over an environment; a change without = takes
// the variable away. A variable keeps its place when it changes: of two of one
// name in base the first counts, as in getenv(3). base stays as it is.
func MergeEnv(base []string, changes ...string) []string {
	out := slices.Clone(base)
	for _, change := range changes {
		name, _, set := strings.Cut(change, "=")
		i := slices.IndexFunc(out, func(kv string) bool { return isNamed(kv, name) })
		switch {
		case set && i >= 0:
			out[i] = change
		case set:
			out = append(out, change)
		case i >= 0:
			out = slices.Delete(out, i, i+1)
		}
	}
	return out
}

// DefaultEnv puts variables before and behind an environment where it has none of
// their names.
func DefaultEnv(before, env, behind []string) []string {
	missing := func(defaults []string) []string {
		return slices.DeleteFunc(slices.Clone(defaults), func(kv string) bool {
			name, _, _ := strings.Cut(kv, "=")
			return slices.ContainsFunc(env, func(have string) bool { return isNamed(have, name) })
		})
	}
	return slices.Concat(missing(before), env, missing(behind))
}

func isNamed(kv, name string) bool {
	rest, ok := strings.CutPrefix(kv, name)
	return ok && strings.HasPrefix(rest, "=")
}
