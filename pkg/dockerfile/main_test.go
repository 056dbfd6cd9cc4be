// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"os"
	"strings"
	"testing"

	"go.podman.io/storage/pkg/reexec"

	"coracle/internal/testutil/userns"
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
	return userns.Again(t, 0)
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
