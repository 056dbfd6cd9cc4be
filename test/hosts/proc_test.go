// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"testing"

	"coracle/internal/testutil"
)

// cover makes /proc one that the kernel does not mount again, as a container's is.
const cover = "for d in scsi acpi tty; do [ ! -d /proc/$d ] || mount -t tmpfs none /proc/$d || exit 1; done"

// Where /proc is covered in part, containers have it as it is, the covers too. Of
// the processes around them it shows no more than that they are there.
func TestCoveredProc(t *testing.T) {
	h := newHost(t)
	r := h.spoilt(cover, `$C import $TAR bb >/dev/null
		SECRET=around sleep 1000 & around=$!
		until grep -q SECRET /proc/$around/environ; do :; done # what the attack is after
		$C run --rm --network none bb sh -c "
			grep -c ^Name: /proc/self/status
			ls /proc/tty | wc -l
			grep -q sleep /proc/$around/cmdline && echo is seen
			cat /proc/$around/environ || echo environ refused
			ls /proc/$around/root/ || echo root refused
			kill $around || echo kill refused
			echo x >/proc/sys/kernel/hostname || echo sysctl refused"
		kill $around && echo lives`)
	if want := "1\n0\nis seen\nenviron refused\nroot refused\nkill refused\nsysctl refused\nlives\n"; r.Out != want {
		t.Errorf("%s\nwant %s", r.All(), want)
	}
	h.write("c/Dockerfile", "FROM bb\nRUN grep ^Name: /proc/self/status && echo made >/made\n")
	testutil.Contains(t, h.spoilt(cover, "$C build -q -t built c && $C run --rm --network none built cat /made").Out, "made\n")
}
