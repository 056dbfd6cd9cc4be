// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"os"
	"testing"

	"go.podman.io/storage/pkg/reexec"

	"coracle/internal/testutil/userns"
)

func TestMain(m *testing.M) {
	if reexec.Init() {
		return
	}
	os.Exit(m.Run())
}

// inUserns runs the test again in a user and mount namespace of its own, and
// reports whether this is that process.
func inUserns(t *testing.T) bool {
	t.Helper()
	return userns.Again(t, 0)
}
