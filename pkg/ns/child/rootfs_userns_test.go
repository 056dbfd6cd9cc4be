// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
)

func addressOf(act *[4]uint64) uintptr { return uintptr(unsafe.Pointer(act)) }

func mask(t *testing.T, key string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(status(t, key), 16, 64)
	must(t, err)
	return n
}

// image is a root file system with a few files, as a mount; secret is a directory of
// the host beside it. nil is outside of the namespaces that it is made in.
func image(t *testing.T, files ...testutil.File) (s *setup, r *rootfs, secret string) {
	t.Helper()
	if s = stage(t, unix.CLONE_NEWPID|unix.CLONE_NEWNET|unix.CLONE_NEWIPC); s == nil {
		return nil, nil, ""
	}
	must(t, s.makePrivate())
	top := os.TempDir() // with what is mounted here it goes with the namespace
	must(t, unix.Mount("none", top, "tmpfs", 0, ""))
	root, secret := filepath.Join(top, "root"), filepath.Join(top, "secret")
	must(t, os.Mkdir(root, 0o755))
	must(t, os.Mkdir(secret, 0o755))
	must(t, testutil.WriteDir(root, append(files, testutil.File{Name: "etc/name", Text: "of the image"})))
	must(t, os.WriteFile(filepath.Join(secret, "file"), []byte("of the host"), 0o644))
	s.Spec.Root.Path = root
	r = &rootfs{path: root, single: &s.Single, linux: &s.Spec.Linux}
	must(t, r.open())
	must(t, r.bindRoot())
	return s, r, secret
}

func reads(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v, want %q", path, got, err, want)
	}
}

// TestWorld builds a container's world step by step, and looks around in it.
func TestWorld(t *testing.T) {
	s, r, secret := image(t)
	if s == nil {
		return
	}
	must(t, s.openNull())
	for _, m := range []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro"}},
		{Destination: "/data/made", Type: "bind", Source: secret, Options: []string{"bind", "ro"}},
		{Destination: "/data/file", Type: "bind", Source: filepath.Join(secret, "file"), Options: []string{"bind"}},
		{Destination: "/etc", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup", "mode=750"}},
	} {
		if err := r.mount(m); err != nil {
			t.Fatalf("mount %s: %v", m.Destination, err)
		}
	}
	must(t, r.devices())
	must(t, r.makeCwd("/work/here"))
	if err := r.makeCwd("work"); err == nil {
		t.Error("a working directory that is not absolute")
	}
	must(t, r.pivot())
	for _, path := range []string{secret, "/usr", "/home"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s of the host is there", path)
		}
	}
	reads(t, "/data/made/file", "of the host")
	reads(t, "/data/file", "of the host")
	reads(t, "/etc/name", "of the image") // copied up
	if err := os.WriteFile("/data/made/file", nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("a read-only volume: %v", err)
	}
	must(t, os.WriteFile("/data/file", []byte("changed"), 0o644))
	if info, err := os.Stat("/etc"); err != nil || info.Mode().Perm() != 0o755 && info.Mode().Perm() != 0o750 {
		t.Errorf("/etc: %v, %v", info, err)
	}
	for name, number := range map[string]uint64{"null": unix.Mkdev(1, 3), "zero": unix.Mkdev(1, 5), "full": unix.Mkdev(1, 7), "random": unix.Mkdev(1, 8), "urandom": unix.Mkdev(1, 9), "tty": unix.Mkdev(5, 0)} {
		var st unix.Stat_t
		if err := unix.Stat("/dev/"+name, &st); err != nil || st.Rdev != number {
			t.Errorf("/dev/%s is %d, %v", name, st.Rdev, err)
		}
	}
	for name, want := range map[string]string{"fd": "/proc/self/fd", "stdout": "/proc/self/fd/1", "ptmx": "pts/ptmx"} {
		if got, err := os.Readlink("/dev/" + name); err != nil || got != want {
			t.Errorf("/dev/%s leads to %s, %v", name, got, err)
		}
	}
	if info, err := os.Stat("/work/here"); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the working directory: %v, %v", info, err)
	}
	s.Spec.Process.Cwd = "/work/here"
	must(t, s.chdir())

	// Now it is protected.
	must(t, os.MkdirAll("/var/hidden", 0o755))
	must(t, os.WriteFile("/var/hidden/x", nil, 0o644))
	must(t, os.WriteFile("/var/key", []byte("key"), 0o644))
	must(t, os.MkdirAll("/var/kept", 0o755))
	must(t, os.WriteFile("/var/free", nil, 0o644))
	s.Spec.Linux.MaskedPaths = []string{"/var/hidden", "/var/key", "/nosuch", "/data"}
	s.Spec.Linux.ReadonlyPaths = []string{"/var/kept", "/nosuch"}
	must(t, s.protectPaths())
	reads(t, "/var/key", "")
	for _, dir := range []string{"/var/hidden", "/data"} {
		if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
			t.Errorf("%s shows %v, %v", dir, list, err)
		}
		if err := os.WriteFile(dir+"/y", nil, 0o644); !errors.Is(err, unix.EROFS) {
			t.Errorf("%s is written: %v", dir, err)
		}
	}
	if err := os.WriteFile("/var/kept/y", nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("what is read-only is written: %v", err)
	}
	must(t, os.WriteFile("/var/free", []byte("x"), 0o644))
	s.masks, s.Spec.Root.Readonly, s.Spec.Linux.MaskedPaths = masker{}, true, nil
	must(t, s.protectPaths())
	if err := os.WriteFile("/var/free", []byte("y"), 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("a read-only root is written: %v", err)
	}
}

// TestImageLeadsNowhere: links of an image lead nowhere outside, whatever is mounted
// or made through them.
func TestImageLeadsNowhere(t *testing.T) {
	s, r, secret := image(t,
		testutil.File{Name: "up", Kind: '2', Link: "../../../../../.."}, testutil.File{Name: "abs", Kind: '2', Link: "/"},
		testutil.File{Name: "proc", Kind: '2', Link: "/tmp"}, testutil.File{Name: "sys", Text: "a file"},
	)
	if s == nil {
		return
	}
	must(t, os.Symlink(secret, filepath.Join(r.path, "direct")))
	rounds := testutil.NewRounds(t, "a link was followed")
	for _, link := range []string{"up", "abs", "direct"} {
		target := "/" + link + secret + "/deep"
		must(t, r.mount(specs.Mount{Destination: target, Type: "tmpfs", Source: "tmpfs"}))
		d, err := r.resolve(target, unix.O_PATH)
		must(t, err)
		var st unix.Statfs_t
		must(t, unix.Fstatfs(int(d.Fd()), &st))
		rounds.Ran(st.Type == unix.TMPFS_MAGIC)
		d.Close()
	}
	if list, err := os.ReadDir(secret); err != nil || len(list) != 1 {
		t.Errorf("OUTSIDE THERE IS NOW %v, %v", list, err)
	}
	err := r.mount(specs.Mount{Destination: "/proc", Type: "proc", Source: "proc"})
	if err == nil || !strings.Contains(err.Error(), "the image's /proc is not a directory") {
		t.Errorf("/proc that is a link: %v", err)
	}
	if err := r.mount(specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs"}); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("/sys that is a file: %v", err)
	}
	for _, m := range []specs.Mount{
		{Destination: "/etc", Type: "bind", Source: filepath.Join(secret, "file")}, // a file onto a directory
		{Destination: "/etc/name", Type: "bind", Source: secret},                   // and the reverse
		{Destination: "/etc/name/below", Type: "bind", Source: secret},             // below a file
	} {
		if err := r.mount(m); !errors.Is(err, errKind) {
			t.Errorf("%s: %v", m.Destination, err)
		}
	}
	if err := r.mount(specs.Mount{Destination: "/x", Type: "bind", Source: secret + "/nosuch"}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a source that is not there: %v", err)
	}
	if err := r.mount(specs.Mount{Destination: "/x", Type: "tmpfs", Options: []string{"nosuchoption=1"}}); err == nil || !strings.Contains(err.Error(), `option "nosuchoption=1"`) {
		t.Errorf("%v", err)
	}
	if err := r.mount(specs.Mount{Destination: "/x", Type: "nosuchfs"}); err == nil || !strings.Contains(err.Error(), "fsopen nosuchfs") {
		t.Errorf("%v", err)
	}
}

// TestProcIsProc: nothing but a proc file system is mounted at /proc, nothing is
// mounted into it, and what only looks like one is not written to.
func TestProcIsProc(t *testing.T) {
	s, r, secret := image(t)
	if s == nil {
		return
	}
	must(t, r.mount(specs.Mount{Destination: "/proc", Type: "proc", Source: "proc"}))
	rounds := testutil.NewRounds(t, "a mount was refused")
	for _, m := range []specs.Mount{
		{Destination: "/proc", Type: "tmpfs", Source: "tmpfs"}, {Destination: "/proc", Type: "bind", Source: secret},
		{Destination: "/proc/sys", Type: "tmpfs", Source: "tmpfs"}, {Destination: "/proc/self/attr", Type: "bind", Source: secret},
		{Destination: "/proc/version", Type: "bind", Source: filepath.Join(secret, "file")},
	} {
		err := r.mount(m)
		if !rounds.Ran(err != nil && strings.Contains(err.Error(), "cannot be mounted because it is")) {
			t.Errorf("%s on %s: %v", m.Type, m.Destination, err)
		}
	}
	must(t, r.mount(specs.Mount{Destination: "/proc/uptime", Type: "bind", Source: filepath.Join(secret, "file")})) // as lxcfs does
	must(t, r.mount(specs.Mount{Destination: "/proc", Type: "bind", Source: "/proc"}))
	must(t, r.pivot())
	s.Spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
	must(t, s.writeSysctls())
	reads(t, "/proc/sys/net/ipv4/ip_forward", "1\n")
	s.Spec.Linux.Sysctl = map[string]string{"net.nosuch": "1"}
	if err := s.writeSysctls(); !errors.Is(err, unix.ENOENT) || !strings.HasPrefix(err.Error(), "sysctl net.nosuch: ") {
		t.Errorf("%v", err)
	}
	// Now /proc is a directory that looks like it.
	must(t, unix.Mount("none", "/proc", "tmpfs", 0, ""))
	must(t, os.MkdirAll("/proc/sys/net/ipv4", 0o755))
	must(t, os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("0"), 0o644))
	s.Spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
	if err := s.writeSysctls(); err == nil || !strings.Contains(err.Error(), "/proc is not a proc file system") {
		t.Errorf("%v", err)
	}
	reads(t, "/proc/sys/net/ipv4/ip_forward", "0")
}
