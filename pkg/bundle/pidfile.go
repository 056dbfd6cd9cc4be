// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"fmt"
	"strconv"

	"coracle/pkg/state"
)

// writePid writes a pid file for the caller: complete, and not through a link.
func writePid(path string, pid int) error {
	if path == "" {
		return nil
	}
	if err := state.WriteVolatile(path, []byte(strconv.Itoa(pid)), 0o644); err != nil {
		return fmt.Errorf("write pid file: %w", err)
	}
	return nil
}
