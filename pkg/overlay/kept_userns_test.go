// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/overlay/plain"
	"coracle/pkg/xattr"
)

// netRaw is cap_net_raw+ep as a namespace shows its own.
const netRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func owner(t *testing.T, path string) (uid, gid int) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return int(st.Uid), int(st.Gid)
}

// needIDs skips where there is nobody to give a file to.
func needIDs(t *testing.T) {
	t.Helper()
	if m, err := ids.Current(); err != nil || m.Single() {
		t.Skip("there is one id only")
	}
}

func TestKeepLayers(t *testing.T) {
	needIDs(t)
	k := ids.Keep{UID: 10, GID: 20}
	layer := filepath.Join(t.TempDir(), "id", "diff")
	at := func(name string) string { return filepath.Join(layer, name) }
	write := func(name string, uid, gid int) error {
		return errors.Join(os.WriteFile(at(name), []byte(name), 0o640), os.Chown(at(name), uid, gid))
	}
	err := errors.Join(os.MkdirAll(at("opaque"), 0o755), write("root", 0, 0), write("five", 5, 6), write("kept", 10, 20), write("more", 11, 21), write("prog", 0, 0),
		os.Link(at("five"), at("again")), os.Symlink("five", at("link")), os.Lchown(at("link"), 5, 6), os.Mkdir(at("dir"), 0o755), os.Chown(at("dir"), 5, 6), unix.Chmod(at("dir"), 0o2750),
		unix.Setxattr(at("opaque"), plain.Opaque, []byte{'y'}, 0), unix.Mknod(at("gone"), unix.S_IFCHR, 0), unix.Setxattr(at("prog"), xattr.Capability, []byte(netRaw), 0))
	if err != nil {
		t.Fatal(err)
	}
	if got := Unkept([]string{layer}, k); !slices.Equal(got, []string{layer}) {
		t.Errorf("before: %q", got)
	}
	var all sync.WaitGroup
	for range 3 { // the others wait, or come late
		all.Go(func() {
			if err := KeepLayers(t.Context(), []string{layer}, k); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := Unkept([]string{layer}, k); len(got) > 0 {
		t.Errorf("afterwards: %q", got)
	}
	kept := KeptDirs([]string{layer}, k)[0]
	for name, want := range map[string][2]int{
		".": {1, 1}, "root": {1, 1}, "five": {6, 7}, "again": {6, 7}, "link": {6, 7}, "dir": {6, 7}, "kept": {0, 0}, "more": {11, 21}, "opaque": {1, 1},
	} {
		if uid, gid := owner(t, filepath.Join(kept, name)); uid != want[0] || gid != want[1] {
			t.Errorf("%s is %d:%d's, want %v", name, uid, gid, want)
		}
	}
	var dir, five, again unix.Stat_t
	if err := errors.Join(unix.Lstat(filepath.Join(kept, "dir"), &dir), unix.Lstat(filepath.Join(kept, "five"), &five), unix.Lstat(filepath.Join(kept, "again"), &again)); err != nil {
		t.Fatal(err)
	}
	if dir.Mode&0o7777 != 0o2750 || five.Ino != again.Ino || five.Size != 4 || five.Mode&0o7777 != 0o640 {
		t.Errorf("dir %o, five %+v, again %+v", dir.Mode, five, again)
	}
	var gone unix.Stat_t
	if err := unix.Lstat(filepath.Join(kept, "gone"), &gone); err != nil || !plain.IsMark(filepath.Join(kept, "gone"), gone.Mode, gone.Rdev, gone.Size) {
		t.Errorf("the mark: %v, %+v", err, gone)
	}
	if !plain.IsOpaque(filepath.Join(kept, "opaque")) || plain.IsOpaque(filepath.Join(kept, "dir")) {
		t.Error("what is opaque")
	}
	value := make([]byte, 64)
	if n, err := unix.Lgetxattr(filepath.Join(kept, "prog"), xattr.Capability, value); err != nil || xattr.OfRoot(string(value[:n]), 1) != netRaw {
		t.Errorf("capabilities %q, %v", value[:max(n, 0)], err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(layer), "*.part")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestKeepLayersIsGivenUp(t *testing.T) {
	needIDs(t)
	layer, k := filepath.Join(t.TempDir(), "id", "diff"), ids.Keep{UID: 10, GID: 20}
	if err := errors.Join(os.MkdirAll(layer, 0o755), os.WriteFile(filepath.Join(layer, "f"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := KeepLayers(ctx, []string{layer}, k); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := KeepLayers(t.Context(), []string{layer + "/no/such"}, k); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a layer that is gone: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(layer)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestOwnersOfKeep: a layer of what a container with a kept id has written says
// what the container says.
func TestOwnersOfKeep(t *testing.T) {
	needIDs(t)
	st := openTestStore(t, Options{})
	dir, err := st.NewDir()
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Discard()
	k := ids.Keep{UID: 10, GID: 20}
	for name, id := range map[string][2]uint32{"root": {0, 0}, "five": {5, 6}, "kept": {10, 20}} {
		uid, gid := k.OnDisk(id[0], id[1])
		p := filepath.Join(dir.Upper, name)
		if err := errors.Join(os.WriteFile(p, nil, 0o644), os.Lchown(p, int(uid), int(gid))); err != nil {
			t.Fatal(err)
		}
	}
	prog := filepath.Join(dir.Upper, "root")
	if err := unix.Setxattr(prog, xattr.Capability, []byte(xattr.ForRoot(netRaw, 1)), 0); err != nil {
		t.Fatal(err)
	}
	staged, err := st.StageUpper(t.Context(), Rootfs{Upper: dir.Upper}, nil, &k)
	if err != nil {
		t.Fatal(err)
	}
	id, err := st.Commit(staged, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := stream(t, st, id)
	for name, want := range map[string][2]int{"root": {0, 0}, "five": {5, 6}, "kept": {10, 20}} {
		if h := got[name]; h == nil || h.Uid != want[0] || h.Gid != want[1] {
			t.Errorf("%s: %+v, want %v", name, h, want)
		}
	}
	if v := xattr.FromHeader(got["root"])[xattr.Capability]; v != netRaw {
		t.Errorf("capabilities %q", v)
	}
}

// TestDropKept removes the copies of a layer that nobody needs, with what was begun.
func TestDropKept(t *testing.T) {
	needIDs(t)
	st := openTestStore(t, Options{})
	var layers []LayerID
	for _, name := range []string{"one", "two", "three"} {
		dir, err := st.NewDir()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir.Upper, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		staged, err := st.StageDir(t.Context(), dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		id, err := st.Commit(staged, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, id)
	}
	one, two := diffDir(st.Dirs(), layers[0]), diffDir(st.Dirs(), layers[1])
	for _, k := range []ids.Keep{{UID: 10, GID: 20}, {UID: 11, GID: 20}} {
		if err := KeepLayers(t.Context(), []string{one, two}, k); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(keptPlace(one, ids.Keep{UID: 5})+".part", 0o700); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("no")
	if _, err := st.DropKept(t.Context(), func() (map[LayerID]bool, error) { return nil, stop }); !errors.Is(err, stop) || KeptCopies(one) != 2 {
		t.Errorf("%v, %d copies", err, KeptCopies(one))
	}
	gone, err := st.DropKept(t.Context(), func() (map[LayerID]bool, error) { return map[LayerID]bool{layers[1]: true}, nil })
	if err != nil || len(gone) != 1 || gone[layers[0]] != 2 || KeptCopies(one) != 0 || KeptCopies(two) != 2 {
		t.Errorf("%v, %v; %d and %d are left", gone, err, KeptCopies(one), KeptCopies(two))
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(one), "keep-*")); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
	if _, err := os.Lstat(filepath.Join(one, "one")); err != nil {
		t.Error(err)
	}
}
