// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"

	"coracle/pkg/docker"
)

// warn says something once that the user may not expect, and goes on.
func (e *env) warn(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if slices.Contains(e.warned, message) {
		return
	}
	e.warned = append(e.warned, message)
	fmt.Fprintln(e.stderr, "WARNING: "+message)
}

// warnAll says what a request does not get as it may have been meant.
func warnAll(e *env, list []docker.Warning) {
	for _, w := range list {
		e.warn("%s", w.Text)
		if w.Hint != "" {
			fmt.Fprintln(e.stderr, "hint: "+w.Hint)
		}
	}
}
