// SPDX-License-Identifier: Apache-2.0

// Package userns runs a package's tests inside a user namespace, as the program
// uses its store: with all the ids that the user has, or as root alone.
package userns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"go.podman.io/storage/pkg/reexec"

	"coracle/internal/testutil"
	"coracle/pkg/ids"
	"coracle/pkg/ns"
)

// Main is the TestMain of a package whose tests run inside a user namespace of
// the program's own making. A process that a test starts as "role" NAME [ARG...]
// is handed to role instead, which may be nil. Where there is no user namespace
// the package fails, or passes with a word under CORACLE_NO_USERNS=1.
func Main(m *testing.M, role func(name string, args []string) int) {
	os.Exit(start(m, role))
}

func start(m *testing.M, role func(string, []string) int) int {
	inside := os.Args[0] == stage
	if inside {
		args, err := ns.Begin()
		if err != nil {
			fmt.Println(err)
			return 1
		}
		os.Args = args
	} else if reexec.Init() { // the storage library executes this binary again
		return 0
	}
	switch {
	case role != nil && len(os.Args) > 2 && os.Args[1] == "role":
		return role(os.Args[2], os.Args[3:])
	case inside:
		return m.Run()
	}
	code, err := enter()
	if err != nil && testutil.NoUserns() {
		fmt.Println("no user namespace here, nothing is tested:", err)
		return 0
	}
	if err != nil {
		fmt.Println("no user namespace here (CORACLE_NO_USERNS=1 allows that):", err)
		return 1
	}
	return code
}

// stage is the name under which this binary is inside.
const stage = "test-inside"

// enter runs this binary inside a user namespace with all ids that there are, and
// returns its exit code. It is killed when we are.
func enter() (int, error) {
	maps, err := ids.HostMaps()
	if err != nil {
		return 0, err
	}
	runtime.LockOSThread() // DieWithParent watches this thread
	defer runtime.UnlockOSThread()
	p, err := ns.Spawn{
		Stage: stage, Args: os.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, NewPID: true, DieWithParent: true, Maps: &maps,
	}.Start()
	if err != nil {
		return 0, err
	}
	st, err := p.Wait()
	if err != nil {
		return 0, err
	}
	if !st.Exited() {
		fmt.Println("the tests ended by", st)
		return 1, nil
	}
	return st.ExitCode(), nil
}

const insideMark = "CORACLE_TEST_USERNS"

// Again runs one test again as root alone of a user and mount namespace of its own, and
// of those of more, CLONE_NEW… flags. It reports whether this is that process.
func Again(t testing.TB, more uintptr) bool {
	t.Helper()
	if os.Getenv(insideMark) == t.Name() {
		return true
	}
	cmd := Command(more, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), insideMark+"="+t.Name())
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		testutil.NeedsUserns(t, err)
	}
	if err != nil {
		t.Fatalf("%s", out)
	}
	return false
}

// Command is a program as root alone of a user and mount namespace of its own.
func Command(more uintptr, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | more,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	return cmd
}
