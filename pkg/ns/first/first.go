// SPDX-License-Identifier: Apache-2.0

package first

import (
	"os"

	"coracle/pkg/ns"
	"coracle/pkg/ns/await"
	"coracle/pkg/ns/child"
)

func init() {
	if stage := named(os.Args[0]); stage != nil {
		ns.ShedCaller()
		os.Exit(stage())
	}
}

// named is the stage of that argv[0], or nil where main begins it.
func named(argv0 string) func() int {
	switch argv0 {
	case ns.StageInit:
		return child.Init
	case ns.StageExec:
		return child.Exec
	case ns.StageReap:
		return child.Reap
	case ns.StageAwait:
		return await.Main
	}
	return nil
}
