// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"strings"
	"testing"

	"coracle/internal/testutil"
	"coracle/pkg/doctor"
)

// TestStoreOnMounts works on a store whose mount allows less than a store in a home
// does: what keeps programs from running there keeps none in a container.
func TestStoreOnMounts(t *testing.T) {
	for _, options := range []string{"rw", "noexec", "nosuid", "nodev", "noexec,nosuid,nodev,noatime"} {
		h := newHost(t)
		spoil := "mkdir m && mount -t tmpfs -o mode=700," + options + " none m"
		r := h.spoilt(spoil, "export CORACLE_ROOT=$PWD/m TMPDIR=$PWD/m\n"+works)
		if r.Out != worked || r.Err != "" || r.Code != 0 {
			t.Errorf("%s: %d %s", options, r.Code, r.All())
		}
	}
}

// A store that is read-only can be looked at, and says so to whoever wants more.
func TestReadOnlyStore(t *testing.T) {
	h := newHost(t)
	const spoil = "mkdir m && chmod 700 m && CORACLE_ROOT=$PWD/m $C import $TAR bb >/dev/null && mount --bind m m && mount -o remount,bind,ro m"
	r := h.spoilt(spoil, `export CORACLE_ROOT=$PWD/m; $C images --format '{{.Repository}}' && $C ps -aq && $C inspect --format '{{.Os}}' bb`)
	if r.Out != "bb\nlinux\n" || r.Err != "" || r.Code != 0 {
		t.Errorf("%d %s", r.Code, r.All())
	}
	for _, command := range []string{"rmi bb", "import $TAR x", "load -i $TAR", "volume create v", "network create n", "tag bb b2", "pull bb", "system prune -f", "create bb true", "run --rm bb true", "build -q ."} {
		h := newHost(t)
		h.write("Dockerfile", "FROM bb\nRUN true\n")
		r := h.spoilt(spoil, "CORACLE_ROOT=$PWD/m $C "+command)
		if r.Code == 0 || strings.Count(r.Err, "read-only file system\n") != 1 || strings.Count(r.Err, "hint: the store is on a file system that is read-only; ") != 1 {
			t.Errorf("%s: %d %s", command, r.Code, r.All())
		}
	}
	h = newHost(t)
	rows, code := doctorOf(t, h.spoilt(spoil, "CORACLE_ROOT=$PWD/m $C doctor --format json"))
	if r := rows["store"]; code != 1 || r.State != doctor.No || !strings.Contains(r.Remedy, "--root") {
		t.Errorf("%d %+v", code, r)
	}
	if r := rows["overlay"]; r.State != doctor.Unknown || r.Remedy != "" {
		t.Errorf("%+v", r)
	}
}

// Without attributes of users nothing can mark what a layer removes: that is told of
// before anything is written, and where else the store may be.
func TestStoreWithoutAttributes(t *testing.T) {
	h := newHost(t)
	const spoil = "mkdir m && mount -t ramfs none m && chmod 700 m"
	for _, command := range []string{"import $TAR bb", "load -i $TAR"} {
		r := h.spoilt(spoil, "CORACLE_ROOT=$PWD/m $C "+command+"; r=$?; find m -name storage; exit $r")
		if r.Out != "" || r.Code != 1 {
			t.Errorf("%d %s", r.Code, r.All())
		}
		h.refuses(r, 1, "is on ramfs: extended attributes of users: operation not supported", "use a directory on a local disk of this machine: --root")
		h = newHost(t)
	}
	rows, code := doctorOf(t, h.spoilt(spoil, "CORACLE_ROOT=$PWD/m $C doctor --format json"))
	if r := rows["user attributes"]; code != 1 || r.State != doctor.No || !strings.Contains(r.Remedy, "--root") {
		t.Errorf("%d %+v", code, r)
	}
}

// With --root-local the store is on another disk then, which is said once.
func TestRootLocal(t *testing.T) {
	h := newHost(t)
	const spoil = "mkdir -p m t && mount -t ramfs none m && chmod 700 m"
	for _, how := range []string{"CORACLE_ROOT_LOCAL=1 $C", "$C --root-local"} {
		r := h.spoilt(spoil, "export CORACLE_ROOT=$PWD/m TMPDIR=$PWD/t; "+how+" import $TAR bb >/dev/null; "+how+" run --rm --network none bb echo ran; ls t/coracle-*/store/storage; ls m")
		if r.Code != 0 || !strings.HasPrefix(r.Out, "ran\n") || !strings.Contains(r.Out, "overlay-images") || strings.Contains(r.Out, "images.json") {
			t.Errorf("%d %s", r.Code, r.All())
		}
		testutil.Contains(t, r.Err, "the store is in the temporary space, at ", "is on ramfs: extended attributes of users")
		h = newHost(t)
	}
}

// A full store says so, and takes what it can again once there is room.
func TestFullStore(t *testing.T) {
	h := newHost(t)
	r := h.spoilt("mkdir m && mount -t tmpfs -o mode=700,size=8m none m && head -c 7m /dev/zero >m/ballast",
		"export CORACLE_ROOT=$PWD/m; $C import $TAR bb; r=$?; rm m/ballast; $C import $TAR bb >/dev/null && $C run --rm --network none bb echo room; ls -A m/tmp | grep -v ^trash; exit $r")
	if r.Out != "room\n" {
		t.Error(r.All())
	}
	h.refuses(r, 1, "no space left on device", "free some space, or move the store with --root")
}

// A server of files may refuse every owner but the caller, and attributes whatever the
// client has of them.
func TestRefusedByFileServer(t *testing.T) {
	for _, c := range []struct{ calls, errno, why, remedy, row string }{
		{`"chown", "fchown", "lchown", "fchownat"`, "1", "UID 0, GID 0: lchown: operation not permitted", "takes no owners but you, as NFS", "owners"},
		{`"getxattr", "setxattr", "fsetxattr", "lsetxattr"`, "95", "is on overlayfs: extended attributes of users: operation not supported", "use a directory on a local disk of this machine: --root", "user attributes"},
	} {
		h := newHost(t)
		h.write("calls.json", `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [`+c.calls+`], "action": "SCMP_ACT_ERRNO", "errnoRet": `+c.errno+`}]}`)
		const options = "--security-opt seccomp=calls.json --security-opt systempaths=unconfined"
		h.refuses(h.inContainer(options, "$C import $TAR bb"), 1, c.why, c.remedy)
		rows, code := doctorOf(t, h.inContainer(options, "$C doctor --format json"))
		if row := rows[c.row]; code != 1 || row.State != doctor.No || !strings.Contains(row.Remedy, "--root") {
			t.Errorf("%s: %d %+v", c.row, code, row)
		}
	}
}

// Locks are refused as by NFS without its service for them: by a filter, within a
// container that has all else.
func TestNoFileLocks(t *testing.T) {
	h := newHost(t)
	h.write("locks.json", `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["flock"], "action": "SCMP_ACT_ERRNO", "errnoRet": 37}]}`)
	r := h.inContainer("--security-opt seccomp=locks.json --security-opt systempaths=unconfined", "$C import $TAR bb; $C images -q; echo $?; $C build -q /c")
	testutil.Contains(t, r.Err, "no locks available", "hint: the store's file system has no locks, as NFS without its lock service; use a directory on a local disk of this machine: --root")
	if r.Code == 0 || r.Out != "0\n" {
		t.Errorf("%d %s", r.Code, r.All())
	}
}
