// SPDX-License-Identifier: Apache-2.0

// Coracle is a container engine in one file: no daemon, no root, nothing else
// to install. See ARCHITECTURE.md for the way through the code.
package main

import (
	"context"
	"os"
	"slices"

	"go.podman.io/storage/pkg/reexec"

	"coracle/pkg/api"
	"coracle/pkg/bundle"
	"coracle/pkg/cli"
	"coracle/pkg/cli/command"
	"coracle/pkg/container"
	"coracle/pkg/container/archive"
	"coracle/pkg/container/supervise"
	"coracle/pkg/dockerfile"
	"coracle/pkg/doctor"
	"coracle/pkg/host"
	"coracle/pkg/image"
	"coracle/pkg/ns"
	_ "coracle/pkg/ns/first" // begins the stages that become a container's program
	"coracle/pkg/trash"
	"coracle/pkg/volume"
	"coracle/pkg/worker"
)

func main() {
	umask := ns.ShedCaller()
	if stage, ok := stages[os.Args[0]]; ok {
		os.Exit(stage())
	}
	if reexec.Init() { // the storage library's own stages
		return
	}
	os.Exit(cli.Main(context.Background(), command.Call{Argv0: os.Args[0], Args: os.Args[1:], Umask: umask}))
}

// stages are this program under its other names; see package ns. Those that
// become a container's program begin in package first.
var stages = map[string]func() int{
	ns.StageSupervise: supervise.Main,
	ns.StageKeeper:    bundle.Keep,
	ns.StageAPI:       func() int { return api.Beside(cli.Version) },
	ns.StageWorker: func() int {
		return worker.Main(slices.Concat(image.Ops(container.ImageUsers), dockerfile.Ops(), container.Ops(), archive.Ops(), volume.Ops(), trash.Ops(),
			doctor.Ops(), host.Ops())...)
	},
}
