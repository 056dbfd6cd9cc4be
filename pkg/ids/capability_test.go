// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestCapabilityBits(t *testing.T) {
	all := Capabilities()
	if len(all) != 41 || all[0] != "CAP_CHOWN" || all[unix.CAP_SYS_ADMIN] != "CAP_SYS_ADMIN" || all[40] != "CAP_CHECKPOINT_RESTORE" {
		t.Errorf("in the order of their numbers: %q", all)
	}
	if set, err := CapabilityBits(all); err != nil || set != 1<<(unix.CAP_LAST_CAP+1)-1 {
		t.Errorf("all: %#x, %v", set, err)
	}
	if set, err := CapabilityBits([]string{"CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"}); err != nil || set != 1<<unix.CAP_SYS_ADMIN|1<<unix.CAP_CHECKPOINT_RESTORE {
		t.Errorf("two: %#x, %v", set, err)
	}
	for _, bad := range []string{"", "SYS_ADMIN", "CAP_", "CAP_FLY", "cap_chown"} {
		if _, err := CapabilityBits([]string{bad}); err == nil {
			t.Errorf("%q is a capability", bad)
		}
	}
}
