// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.podman.io/storage/pkg/reexec"

	"coracle/internal/testutil/userns"
	"coracle/pkg/ns"
	_ "coracle/pkg/ns/first" // the stages of a RUN
	"coracle/pkg/worker"
)

// TestMain is the worker, too, and the program of a RUN.
func TestMain(m *testing.M) {
	switch {
	case os.Args[0] == ns.StageWorker:
		os.Exit(worker.Main(Ops()...))
	case len(os.Args) == 2 && os.Args[1] == "wait":
		fmt.Println("waiting")
		time.Sleep(time.Hour)
	case len(os.Args) == 2 && os.Args[1] == "fail":
		fmt.Println("the last words")
		os.Exit(3)
	}
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

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
