// SPDX-License-Identifier: Apache-2.0

package userns

import (
	"os"
	"os/exec"
	"testing"

	"coracle/pkg/ns"
)

func TestMain(m *testing.M) {
	Main(m, func(name string, args []string) int { return len(name) + len(args) })
}

func TestInside(t *testing.T) {
	if !ns.Inside() || os.Getuid() != 0 {
		t.Errorf("the test runs as %d, outside", os.Getuid())
	}
	cmd := exec.Command(os.Args[0], "role", "abc", "d")
	if _ = cmd.Run(); cmd.ProcessState.ExitCode() != 4 {
		t.Errorf("the role ended with %v", cmd.ProcessState)
	}
}
