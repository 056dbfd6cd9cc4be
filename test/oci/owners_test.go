// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/internal/testutil"
)

// keepers are the processes that answer for the container c; one that has ended has no
// arguments any more.
func (b *bundle) keepers() (pids []string) {
	b.t.Helper()
	begins := fmt.Sprintf("coracle-keeper\x00{\"pid\":%d", b.pid("c"))
	list, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range list {
		args, _ := os.ReadFile(p)
		if rest, ok := strings.CutPrefix(string(args), begins); ok && strings.HasPrefix(rest, "}") {
			pids = append(pids, filepath.Base(filepath.Dir(p)))
		}
	}
	return pids
}

// writable gives the bundle a root of its own that it may write to.
func (b *bundle) writable() {
	b.t.Helper()
	b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: "/srv", Type: "tmpfs", Source: "tmpfs", Options: []string{"mode=755"}})
}

// TestOwnersWithOneID looks at owners where there is no id for them, from the container
// itself and from a process that joins it; who answers is gone with it.
func TestOwnersWithOneID(t *testing.T) {
	const script = `cd /srv; mkdir d; touch d/f; ln -s f d/l; chown -R 5:6 d; chown -h 7:8 d/l; stat -c '%u:%g' d d/f d/l
		adduser -D -H app 2>/dev/null; su 2>/dev/null; echo up; sleep 1000`
	b := newBundle(t, script)
	b.writable()
	out := b.create("c")
	if n := b.keepers(); len(n) != 1 {
		t.Fatalf("%v answer for one container", n)
	}
	b.must("start", "c")
	if got := b.text(out, "up\n"); !strings.HasPrefix(got, "5:6\n5:6\n7:8\n") {
		t.Errorf("%q", got)
	}
	got := b.must("exec", "-u", "1000:1001", "c", "sh", "-c", "id -u; id -g; stat -c %u:%g /srv/d/f; echo x 2>/dev/null >/srv/d/new; stat -c %u:%g /srv/d/new")
	if want := "1000\n1001\n5:6\n1000:1001\n"; got != want {
		t.Errorf("exec: %q, want %q", got, want)
	}
	b.must("kill", "c", "KILL")
	b.reap("c")
	b.must("delete", "c")
	testutil.Eventually(t, "nobody answers for what is gone", func() bool { return len(b.keepers()) == 0 })
	b.nothingLeft()
}

// TestUserWithOneID begins as somebody on paper, in the foreground.
func TestUserWithOneID(t *testing.T) {
	b := newBundle(t, "id -u; id -g; touch /srv/f; stat -c %u:%g /srv/f; chown 0:0 /srv/f 2>/dev/null || echo refused")
	b.writable()
	b.spec.Process.User = specs.User{UID: 1000, GID: 1001}
	b.write()
	if got, want := b.must("run", "c"), "1000\n1001\n1000:1001\nrefused\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	b.nothingLeft()
}

// TestOwnersNotAskedFor leaves nothing behind, as any runtime.
func TestOwnersNotAskedFor(t *testing.T) {
	b := newBundle(t, "touch /srv/f; chown 5 /srv/f; stat -c %u /srv/f; sleep 1000")
	b.writable()
	b.spec.Annotations = nil
	out := b.create("c")
	if n := b.keepers(); len(n) > 0 {
		t.Errorf("%v answer for a container that has not asked", n)
	}
	b.must("start", "c")
	b.text(out, "0\n")
	b.refused("setresuid 5", "exec", "-u", "5:0", "c", "true")
	b.must("kill", "c", "KILL")
	b.reap("c")
	b.spec.Annotations = map[string]string{"coracle.owners": "x"}
	b.write()
	b.refused(`annotations[coracle.owners]: "x" is not known, noted is`, "create", "d")
}
