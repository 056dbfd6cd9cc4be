// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"os"
	"testing"

	"go.podman.io/storage/pkg/reexec"
)

func TestMain(m *testing.M) {
	if reexec.Init() { // the storage library's own stages
		return
	}
	os.Exit(m.Run())
}
