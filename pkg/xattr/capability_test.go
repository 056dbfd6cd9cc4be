// SPDX-License-Identifier: Apache-2.0

package xattr

import "testing"

func TestCapabilityOfAnotherRoot(t *testing.T) {
	own := "\x01\x00\x00\x02" + "\x00\x04\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	other := "\x01\x00\x00\x03" + own[4:] + "\x01\x00\x00\x00"
	if got := ForRoot(own, 1); got != other {
		t.Errorf("for root 1: %q", got)
	}
	if got := OfRoot(other, 1); got != own {
		t.Errorf("of root 1: %q", got)
	}
	for _, v := range []string{"", "odd", other, own + "x"} {
		if got := ForRoot(v, 1); got != v {
			t.Errorf("ForRoot(%q) = %q", v, got)
		}
	}
	if ForRoot(own, 0) != own || OfRoot(other, 2) != other || OfRoot(own, 1) != own {
		t.Error("what is another's was changed")
	}
}
