// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"regexp"
	"slices"
)

// checkNetworks refuses values that no network can have, in Docker's words.
func (f filters) checkNetworks() error {
	for _, v := range f["type"] {
		if v != "builtin" && v != "custom" {
			return fmt.Errorf("invalid filter: 'type'='%s'", v)
		}
	}
	_, err := f.boolean("dangling")
	return err
}

// like reports whether a value is, or as a regular expression matches, one of
// those that were given for key, or none was.
func (f filters) like(key, have string) bool {
	return len(f[key]) == 0 || slices.ContainsFunc(f[key], func(want string) bool {
		matched, err := regexp.MatchString(want, have)
		return want == have || err == nil && matched
	})
}

// dangling reports whether a network that is in use, or not, was asked for. Those
// that are always there count as used.
func (f filters) dangling(used bool) bool {
	want, err := f.boolean("dangling")
	return err == nil && (want == nil || *want == !used)
}
