// SPDX-License-Identifier: Apache-2.0

package isolation

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// noGate is what a call by interrupt 0x80 says on a kernel without IA-32.
const noGate = "no-gate"

func TestK1_SystemCalls(t *testing.T) {
	want := map[string]string{
		"clone3": "ENOSYS", "unknown-599": "ENOSYS", "socket-inet": "ok", "socket-packet": "ok", "ioctl-allowed": "EBADF",
		"x32-getpid": "ENOSYS", "x32-unshare": "ENOSYS", "x32-ioctl": "ENOSYS",
		"i386-getpid": "ok", "i386-socketcall": "ENOSYS",
	}
	out := look(t, "calls")
	hasIA32 := !strings.Contains(out, "i386-getpid "+noGate)
	for line := range strings.Lines(out) {
		name, got, _ := strings.Cut(strings.TrimSpace(line), " ")
		w := want[name]
		if w == "" {
			w = "EPERM"
		}
		if strings.HasPrefix(name, "i386") && !hasIA32 {
			w = noGate
		}
		if got != w {
			t.Errorf("%s: %s, want %s", name, got, w)
		}
	}
}

func TestK3_NoNamespacesOfTheirOwn(t *testing.T) {
	out := box(t, `unshare -Ur true 2>&1 && echo unshared
		unshare -m true 2>&1 && echo unshared
		mkdir /tmp/x; mount -t cgroup -o memory cgroup /tmp/x 2>&1 && echo mounted
		mount -t tmpfs tmpfs /tmp/x 2>&1 && echo mounted
		mount -t proc proc /tmp/x 2>&1 && echo mounted
		chroot / true && echo chroot`, "--cap-add", "SYS_CHROOT")
	if strings.Contains(out, "unshared") || strings.Contains(out, "mounted") || !strings.HasSuffix(out, "chroot") {
		t.Error(out)
	}
}

func TestK4_Keyring(t *testing.T) {
	need(t)
	host := "none"
	if id, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false); err == nil {
		host = strconv.Itoa(id)
	}
	one := look(t, "keyring", "--security-opt", "seccomp=unconfined")
	two := look(t, "keyring", "--security-opt", "seccomp=unconfined")
	if !strings.HasSuffix(one, " ok") {
		t.Skipf("no keyrings here: %s", one)
	}
	if host == "none" {
		t.Log("the host's session has no keyring to compare with")
	}
	if one == two || strings.HasPrefix(one, host+" ") {
		t.Errorf("a keyring is shared: %q, %q, the host's %q", one, two, host)
	}
	if out := look(t, "keyring"); !strings.HasSuffix(out, "EPERM") {
		t.Errorf("keyctl with the default policy: %s", out)
	}
}

// The same image with every label and annotation that any engine listens to
// makes the same container.
func TestM1_MetadataChangesNothing(t *testing.T) {
	const look = "grep -E 'Cap|Seccomp|NoNew|Groups' /proc/self/status; cut -d' ' -f4- /proc/self/mountinfo | grep -v -E ' /( |etc/)'; ls /dev; env | grep -v HOSTNAME; ulimit -a; id"
	plain := build(t, "FROM box\n")
	want := ok(t, "run", "--rm", plain, "sh", "-c", look)
	labelled := build(t, "FROM box\nLABEL "+strings.Join([]string{
		`io.podman.annotations.seccomp=unconfined`, `io.podman.annotations.privileged=TRUE`, `io.podman.annotations.label=disable`,
		`io.podman.annotations.userns=host`, `io.podman.annotations.volumes-from=x`, `io.containers.capabilities=all`,
		`io.containers.autoupdate=registry`, `io.containers.trace-syscall=of:/tmp/x`, `run.oci.keep_original_groups=1`,
		`run.oci.hooks.stdout=/tmp/x`, `run.oci.seccomp.receiver=/tmp/x`, `run.oci.systemd.force_cgroup_v1=/x`, `run.oci.handler=krun`,
		`org.systemd.property.ExecStop=/bin/x`, `cdi.k8s.io/x=vendor.com/device=all`, `containerd.io/restart.status=running`,
		`containerd.io/restart.loguri=binary:///bin/sh`, `com.docker.security.privileged=true`, `nerdctl/extraHosts=x:1.1.1.1`,
		`io.kubernetes.cri-o.Devices=/dev/mem`, `io.kubernetes.cri-o.userns-mode=host`, `org.opencontainers.image.ref.name=x`,
	}, " ")+"\n")
	if got := ok(t, "run", "--rm", labelled, "sh", "-c", look); got != want {
		t.Errorf("with labels:\n%s\nwithout:\n%s", got, want)
	}
}
