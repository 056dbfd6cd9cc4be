// SPDX-License-Identifier: Apache-2.0

package systemdcmd

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/network"
)

func TestUnitOf(t *testing.T) {
	forever, six := -1, 6
	for _, c := range []struct {
		name   string
		change func(*container.Container)
		p      program
		user   string
		want   []string
		not    string
	}{
		{"plain", func(*container.Container) {}, program{"/bin/coracle", ""}, "", []string{
			"Type=notify", "ExecStart=/bin/coracle start --attach web", "ExecStop=/bin/coracle stop web", "SuccessExitStatus=143\n", "Restart=no",
			"KillMode=mixed", "Delegate=yes", "TimeoutStartSec=90", "TimeoutStopSec=30", "SyslogIdentifier=web", "WantedBy=default.target",
		}, "network-online"},
		{"root with odd characters", func(*container.Container) {}, program{"/bin/coracle", "/srv/50% $x"}, "", []string{`ExecStart=/bin/coracle --root "/srv/50%% $$x" start`}, "User="},
		{"of the system", func(*container.Container) {}, program{"/bin/coracle", ""}, "web", []string{"User=web", "WantedBy=multi-user.target"}, "default.target"},
		{"always", func(c *container.Container) { c.Life.Restart.Name = "always" }, program{"/c", ""}, "", []string{"Restart=on-failure", "SuccessExitStatus=143 137"}, ""},
		{"stops by itself", func(c *container.Container) { c.Life.StopTimeout, c.Life.StopSignal = &forever, "SIGINT" }, program{"/c", ""}, "", []string{"TimeoutStopSec=infinity", "SuccessExitStatus=143 130"}, ""},
		{"is checked", func(c *container.Container) {
			c.Life.StopTimeout = &six
			c.Health = &container.HealthCheck{Test: []string{"CMD", "true"}, Interval: time.Second, Timeout: time.Second, StartPeriod: time.Minute, Retries: 4}
		}, program{"/c", ""}, "", []string{"TimeoutStopSec=26", "TimeoutStartSec=160"}, ""},
	} {
		ctr := &container.Container{}
		ctr.Name, ctr.Image = "web", "nginx"
		c.change(ctr)
		got := unitOf(ctr, c.p, c.user).String()
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: no %q in\n%s", c.name, w, got)
			}
		}
		if c.not != "" && strings.Contains(got, c.not) {
			t.Errorf("%s: %q in\n%s", c.name, c.not, got)
		}
	}
}

func TestSocketOf(t *testing.T) {
	ctr := &container.Container{}
	ctr.Name = "web"
	ctr.Net.Publish = []network.PortSpec{{ContainerPort: 80, Proto: "tcp"}}
	if _, err := socketOf(ctr); err == nil {
		t.Error("sockets of a port that the kernel chooses")
	}
	ctr.Net.Publish = append(ctr.Net.Publish,
		network.PortSpec{HostPort: 8080, ContainerPort: 80, Proto: "tcp"},
		network.PortSpec{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: 53, ContainerPort: 53, Proto: "udp"},
		network.PortSpec{HostIP: netip.MustParseAddr("::1"), HostPort: 443, ContainerPort: 443, Proto: "tcp"})
	u, err := socketOf(ctr)
	if err != nil {
		t.Fatal(err)
	}
	want := "[Unit]\nDescription=Ports of container web\n\n[Socket]\nListenStream=8080\nListenDatagram=127.0.0.1:53\nListenStream=[::1]:443\n\n[Install]\nWantedBy=sockets.target\n"
	if u.String() != want {
		t.Errorf("%s", u)
	}
}
