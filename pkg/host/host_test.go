// SPDX-License-Identifier: Apache-2.0

package host

import (
	"strings"
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

func TestDescribe(t *testing.T) {
	h, err := Describe(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if h.Machine == "" || h.CPUs < 1 || h.Memory < 1<<20 || h.OperatingSystem == "" || h.Backing == "" || len(h.LogDrivers) == 0 {
		t.Errorf("%+v", h)
	}
	if driver := h.CgroupDriver; driver != "none" && driver != "cgroupfs" && driver != "systemd" {
		t.Errorf("cgroup driver %q", driver)
	}
}

// What is missing is said, and nothing of what is there.
func TestWarnings(t *testing.T) {
	every := warnings(cgroupSupport{"systemd", []string{"memory", "cpu", "cpuset", "pids", "io"}})
	none := warnings(cgroupSupport{driver: "none"})
	if len(none)-len(every) != 6 || !strings.Contains(strings.Join(none, " "), "no cgroup is delegated to you") {
		t.Errorf("%q, and %q", every, none)
	}
}
