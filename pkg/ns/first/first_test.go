// SPDX-License-Identifier: Apache-2.0

package first

import (
	"testing"

	"coracle/pkg/ns"
)

func TestStagesThatNeedTheRestBeginInMain(t *testing.T) {
	for argv0, early := range map[string]bool{
		ns.StageInit: true, ns.StageExec: true, ns.StageReap: true, ns.StageAwait: true,
		ns.StageSupervise: false, ns.StageWorker: false, "coracle": false, "docker": false, "/usr/bin/coracle-init": false,
	} {
		if got := named(argv0) != nil; got != early {
			t.Errorf("%s begins before main: %v, want %v", argv0, got, early)
		}
	}
}
