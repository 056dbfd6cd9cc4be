// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"testing"
)

// A proxy is shown without what only it should know.
func TestProxyIsShownWithoutItsPassword(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "http://proxy:3128": "http://proxy:3128", "http://me:secret@proxy:3128": "http://xxxxx:xxxxx@proxy:3128", "localhost,.example.org": "localhost,.example.org",
	} {
		t.Setenv("HTTP_PROXY", value)
		t.Setenv("http_proxy", "")
		if got := proxyOf("http"); got != want {
			t.Errorf("%q: %q", value, got)
		}
	}
}
