// SPDX-License-Identifier: Apache-2.0

package cli

import "testing"

func TestNetworkFilters(t *testing.T) {
	for _, tt := range []struct {
		want, have string
		like       bool
	}{
		{"front", "front", true}, {"front", "front_1", true}, {"^front$", "front", true}, {"^front$", "front_1", false},
		{"f(", "f(", true}, {"f(", "front", false}, {"", "front", true}, {"x", "front", false},
	} {
		if got := (filters{"name": {tt.want}}).like("name", tt.have); got != tt.like {
			t.Errorf("%q like %q: %v", tt.have, tt.want, got)
		}
	}
	for _, f := range []filters{{"type": {"x"}}, {"dangling": {"x"}}, {"dangling": {""}}} {
		if f.checkNetworks() == nil {
			t.Errorf("%v is taken", f)
		}
	}
	for v, used := range map[string]bool{"true": false, "1": false, "false": true, "0": true} {
		f := filters{"dangling": {v}}
		if err := f.checkNetworks(); err != nil || !f.dangling(used) || f.dangling(!used) {
			t.Errorf("dangling=%s: %v", v, err)
		}
	}
	if !(filters{}).dangling(true) || !(filters{}).dangling(false) || !(filters{}).like("name", "x") {
		t.Error("without a filter something is left out")
	}
}
