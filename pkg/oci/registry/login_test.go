// SPDX-License-Identifier: Apache-2.0

package registry

import "testing"

func TestTrimServer(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "https://index.docker.io/v1/": "", "https://reg.example/v2/": "reg.example", "http://reg.example:5000": "reg.example:5000", "reg.example": "reg.example",
	} {
		if got := TrimServer(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
