// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"os"
	"testing"
)

func TestMapsHave(t *testing.T) {
	m := Maps{UID: []Map{{0, 1000, 1}}, GID: []Map{{0, 1000, 1}}}
	if !m.Single() || !m.Has(0, 0) || m.Has(1, 0) || m.Has(0, 1) {
		t.Error("single")
	}
	m.UID = append(m.UID, Map{1, 100000, 65536})
	if m.Single() || !m.Has(65536, 0) || m.Has(65537, 0) || m.Has(1<<32-1, 0) {
		t.Error("many")
	}
}

func TestMapsOfAUserWhoAsksForASingleID(t *testing.T) {
	t.Setenv("CORACLE_SINGLE_ID", "1")
	m, err := HostMaps()
	if err != nil || !m.Single() || m.Reason == "" || m.UID[0].HostID != os.Geteuid() || m.GID[0].HostID != os.Getegid() {
		t.Errorf("%+v, %v", m, err)
	}
}
