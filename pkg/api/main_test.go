// SPDX-License-Identifier: Apache-2.0

package api

import (
	"os"
	"slices"
	"testing"

	"go.podman.io/storage/pkg/reexec"

	"coracle/pkg/container"
	ctrfiles "coracle/pkg/container/archive"
	"coracle/pkg/dockerfile"
	"coracle/pkg/host"
	"coracle/pkg/image"
	"coracle/pkg/ns"
	"coracle/pkg/trash"
	"coracle/pkg/volume"
	"coracle/pkg/worker"
)

// TestMain is the worker, too.
func TestMain(m *testing.M) {
	if os.Args[0] == ns.StageWorker {
		os.Exit(worker.Main(slices.Concat(image.Ops(container.ImageUsers), dockerfile.Ops(), container.Ops(), ctrfiles.Ops(), volume.Ops(), trash.Ops(), host.Ops())...))
	}
	if reexec.Init() {
		return
	}
	os.Exit(m.Run())
}
