// SPDX-License-Identifier: Apache-2.0

package box

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"coracle/pkg/ns"
)

func TestExitCode(t *testing.T) {
	exec := func(e syscall.Errno) error { return &ns.ExecError{Message: "exec: x", Errno: e} }
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"the program is not there":   {exec(syscall.ENOENT), 127},
		"below a file":               {exec(syscall.ENOTDIR), 127},
		"it may not be run":          {exec(syscall.EACCES), 126},
		"it is none":                 {exec(syscall.ENOEXEC), 126},
		"wrapped":                    {fmt.Errorf("start: %w", exec(syscall.ENOENT)), 127},
		"a mount's source is absent": {fmt.Errorf("mount /x: %w", syscall.ENOENT), 125},
		"anything else":              {errors.New("x"), 125},
	} {
		if got := ExitCode(c.err); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
