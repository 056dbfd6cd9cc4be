// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"testing"

	"go.podman.io/storage/pkg/reexec"
)

func TestMain(m *testing.M) {
	if reexec.Init() { // the storage library executes this binary again
		return
	}
	os.Exit(m.Run())
}
