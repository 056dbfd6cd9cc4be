// SPDX-License-Identifier: Apache-2.0

package systemdcmd

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/systemd"
)

// program is the beginning of a command line that calls coracle as it was called.
type program struct {
	path string // absolute
	root string // --root, or ""
}

// words are it as a unit's.
func (p program) words() []string {
	words := []string{systemd.Literal(p.path)}
	if p.root != "" {
		words = append(words, "--root", systemd.Literal(p.root))
	}
	return words
}

func (p program) line(args ...string) string {
	words := p.words()
	for _, w := range args {
		words = append(words, systemd.Literal(w))
	}
	return systemd.Quote(words...)
}

// unitName is the service of a container.
func unitName(ctr *container.Container) string { return "coracle-" + ctr.Name + ".service" }

// Times that a unit gives more than the container.
const (
	startMargin = 90 * time.Second // systemd's own default
	stopMargin  = 20 * time.Second // for the supervisor to tidy up
)

// unitOf is the service that runs a container in the foreground. user is whose
// service it is in the system's manager, or "" in the user's own.
func unitOf(ctr *container.Container, p program, user string) *systemd.Unit {
	u := &systemd.Unit{}
	u.Section("Unit").Add("Description", systemd.Literal("Container "+ctr.Name+" ("+ctr.Image+")"))
	s := u.Section("Service")
	s.Add("Type", "notify")
	if user != "" {
		s.Add("User", user)
	}
	s.Add("ExecStart", p.line("start", "--attach", ctr.Name))
	s.Add("ExecStop", p.line("stop", ctr.Name))
	// The end that `stop` asked for is no failure. A supervisor that was killed is:
	// the command ends with 1.
	good := "143"
	if sig := int(container.StopSignal(ctr.Life.StopSignal)); sig != 15 {
		good += " " + strconv.Itoa(128+sig)
	}
	restart := "no"
	switch ctr.Life.Restart.Name {
	case "always", "unless-stopped":
		// The container's own policy starts its process again; the unit, the rest.
		restart, good = "on-failure", good+" 137"
	case "on-failure":
		restart = "on-failure"
	}
	s.Add("SuccessExitStatus", good)
	s.Add("Restart", restart)
	s.Add("KillMode", "mixed") // first the command, which tells the container; at last everything
	s.Add("Delegate", "yes")   // for limits
	s.Add("TimeoutStartSec", strconv.Itoa(int(startTime(ctr).Seconds())))
	s.Add("TimeoutStopSec", stopTime(ctr))
	s.Add("SyslogIdentifier", systemd.Literal(ctr.Name))
	u.Section("Install").Add("WantedBy", map[bool]string{true: "multi-user.target", false: "default.target"}[user != ""])
	return u
}

// startTime is how long the container may take to be ready.
func startTime(ctr *container.Container) time.Duration {
	if !ctr.Health.Enabled() {
		return startMargin
	}
	h := ctr.Health.WithDefaults()
	return startMargin + h.StartPeriod + time.Duration(h.Retries+1)*(h.Interval+h.Timeout)
}

func stopTime(ctr *container.Container) string {
	seconds := ctr.Life.StopSeconds()
	if seconds < 0 {
		return "infinity"
	}
	return strconv.Itoa(seconds + int(stopMargin.Seconds()))
}

// socketOf are the sockets of the container's published ports: who connects to one
// starts the service. Ports that the kernel chooses have none.
func socketOf(ctr *container.Container) (*systemd.Unit, error) {
	u := &systemd.Unit{}
	u.Section("Unit").Add("Description", systemd.Literal("Ports of container "+ctr.Name))
	s := u.Section("Socket")
	for _, p := range ctr.Net.Publish {
		if p.HostPort == 0 || p.HostPortEnd > p.HostPort {
			continue
		}
		key, at := "ListenStream", strconv.Itoa(int(p.HostPort))
		if p.Proto == "udp" {
			key = "ListenDatagram"
		}
		if p.HostIP.IsValid() {
			at = netip.AddrPortFrom(p.HostIP, p.HostPort).String()
		}
		s.Add(key, at)
	}
	if len(s.Entries) == 0 {
		return nil, fmt.Errorf("container %s publishes no port with a number", ctr.Name)
	}
	u.Section("Install").Add("WantedBy", "sockets.target")
	return u, nil
}
