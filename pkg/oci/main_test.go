// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"testing"

	"coracle/internal/testutil/userns"
)

// TestMain runs the tests inside a user namespace, as the store is used.
func TestMain(m *testing.M) { userns.Main(m, nil) }
