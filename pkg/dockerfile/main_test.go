// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"go.podman.io/storage/pkg/reexec"
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
	const inside = "CORACLE_TEST_USERNS"
	if os.Getenv(inside) != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Skipf("needs user namespaces: %v", err)
	}
	if err != nil {
		t.Fatalf("%s", out)
	}
	return false
}

// parsed is a builder that has read a Dockerfile.
func parsed(t *testing.T, text string, o Options) *builder {
	t.Helper()
	o.Source, o.Dockerfile = strings.NewReader(text), "Dockerfile"
	ctx, cancel := context.WithCancel(t.Context())
	b := &builder{ctx: ctx, cancel: cancel, o: o, tell: &teller{ctx: ctx}, used: map[string]bool{}, bases: map[string]*base{}}
	if err := b.load(); err != nil {
		t.Fatal(err)
	}
	return b
}

// configured carries out the instructions of the last stage that need no
// files.
func configured(t *testing.T, b *builder) *stage {
	t.Helper()
	s := &stage{args: newArgScope()}
	for _, cmd := range b.file.Stages[len(b.file.Stages)-1].Commands {
		if err := b.command(s, cmd); err != nil {
			t.Fatal(err)
		}
	}
	return s
}
