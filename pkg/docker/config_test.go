// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"reflect"
	"testing"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/network"
)

func TestBinds(t *testing.T) {
	for _, c := range []struct {
		mount container.Mount
		bind  string
		tmpfs map[string]string
	}{
		{container.Mount{Type: "bind", Source: "/a", Target: "/b"}, "/a:/b", nil},
		{container.Mount{Type: "bind", Source: "/a", Target: "/b", ReadOnly: true}, "/a:/b:ro", nil},
		{container.Mount{Type: "volume", Name: "v", Target: "/b"}, "v:/b", nil},
		{container.Mount{Type: "volume", Name: testID, Target: "/b"}, "", nil}, // nobody typed it
		{container.Mount{Type: "volume", Target: "/b"}, "", nil},
		{container.Mount{Type: "image", Source: "busybox", Target: "/b"}, "", nil},
		{container.Mount{Type: "tmpfs", Target: "/t"}, "", map[string]string{"/t": ""}},
		{container.Mount{Type: "tmpfs", Target: "/t", ReadOnly: true, TmpfsOptions: []string{"size=1", "exec"}}, "", map[string]string{"/t": "ro,size=1,exec"}},
	} {
		var h HostConfig
		binds([]container.Mount{c.mount}, &h)
		list, tmpfs := h.Binds, h.Tmpfs
		var want []string
		if c.bind != "" {
			want = []string{c.bind}
		}
		if !reflect.DeepEqual(list, want) || !reflect.DeepEqual(tmpfs, c.tmpfs) {
			t.Errorf("%+v: %v %v", c.mount, list, tmpfs)
		}
	}
}

func TestRestartPolicies(t *testing.T) {
	for in, want := range map[container.Restart]moby.RestartPolicy{
		{}: {Name: "no"}, {Name: "always"}: {Name: "always"}, {Name: "on-failure", Max: 3}: {Name: "on-failure", MaximumRetryCount: 3},
	} {
		if got := restartPolicy(in); got != want {
			t.Errorf("%+v: %+v", in, got)
		}
	}
}

// Every port that is published is exposed, too.
func TestPublishedPortsAreExposed(t *testing.T) {
	c := created()
	c.Net.Exposed = []string{"81/udp"}
	c.Net.Publish = []network.PortSpec{{ContainerPort: 80, Proto: "tcp"}, {ContainerPort: 81, Proto: "udp"}}
	want := map[string]struct{}{"80/tcp": {}, "81/udp": {}}
	if got := containerConfig(c).ExposedPorts; !reflect.DeepEqual(got, want) {
		t.Error(got)
	}
	if containerConfig(created()).ExposedPorts != nil {
		t.Error("nothing is exposed, and it is not null")
	}
}

// 0 pids are no limit of the container's own, -1 are without limit.
func TestPidsLimit(t *testing.T) {
	for limit, want := range map[int64]string{0: "null", -1: "-1", 64: "64"} {
		if got := text(resources(container.Limits{Cgroup: cgroup.Limits{PidsLimit: limit}}).PidsLimit); got != want {
			t.Errorf("%d: %s", limit, got)
		}
	}
}

// The methods of Docker's types are there for templates.
func TestMethodsOfModes(t *testing.T) {
	c := created()
	c.Net.Mode = "container:" + testID
	if m := hostConfig(c, Places{}).NetworkMode; !m.IsContainer() || m.ConnectedContainer() != testID {
		t.Error(m)
	}
}
