// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"slices"

	"coracle/pkg/docker"
)

// Warn says something once that the user may not expect, and goes on.
func (e *Env) Warn(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if slices.Contains(e.warned, message) {
		return
	}
	e.warned = append(e.warned, message)
	fmt.Fprintln(e.Stderr, "WARNING: "+message)
}

// WarnAll says what a request does not get as it may have been meant.
func WarnAll(e *Env, list []docker.Warning) {
	for _, w := range list {
		e.Warn("%s", w.Text)
		if w.Hint != "" {
			fmt.Fprintln(e.Stderr, "hint: "+w.Hint)
		}
	}
}
