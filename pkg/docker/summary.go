// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"coracle/pkg/container"
)

// Summary is one container of a list (GET /containers/json).
type Summary struct {
	moby.Summary
	NetworkNames []string `json:"-"` // the keys of NetworkSettings.Networks, the first network first
	Platform     string   `json:"-"`
}

// Summarize is what a list says of a container at the time now.
func Summarize(c *container.Container, at Places, now time.Time) Summary {
	s := Summary{Platform: c.Platform, NetworkNames: NetworkNames(c), Summary: moby.Summary{
		ID: c.ID, Names: []string{"/" + c.Name}, Image: c.Image, ImageID: "sha256:" + c.ImageID, Command: commandLine(c.Process.Args()),
		Created: c.Created.Unix(), Ports: PortSummaries(c), Labels: table(c.Labels), State: moby.ContainerState(c.State.Status),
		Status: StatusText(c.State, now), Health: &moby.HealthSummary{Status: HealthStatus(c.State)}, Mounts: mountPoints(c.Mounts, at),
		NetworkSettings: &moby.NetworkSettingsSummary{Networks: map[string]*network.EndpointSettings{}},
	}}
	s.HostConfig.NetworkMode, s.HostConfig.Annotations = c.Net.Mode, c.Annotations
	if c.State.Health != nil {
		s.Health.FailingStreak = c.State.Health.FailingStreak
	}
	for _, name := range s.NetworkNames {
		p := c.State.Networks[name]
		end := &network.EndpointSettings{NetworkID: at.network(name)}
		if c.State.IsRunning() && p.Address.IsValid() {
			end.EndpointID, end.IPAddress, end.IPPrefixLen, end.Gateway = EndpointID(c.ID, name), p.Address.Addr(), p.Address.Bits(), p.Gateway
			end.MacAddress = p.MAC[:]
		}
		s.NetworkSettings.Networks[name] = end
	}
	return s
}

// commandLine is a command as lists have it: arguments with a space in quotes, whatever
// else is in them.
func commandLine(args []string) string {
	words := slices.Clone(args)
	for i, w := range words {
		if i > 0 && strings.Contains(w, " ") {
			words[i] = "'" + w + "'"
		}
	}
	return strings.Join(words, " ")
}

// NetworkNames are the names of a container's networks: none on the network of
// another container.
func NetworkNames(c *container.Container) []string {
	if c.Net.OnNetworkOf() != "" {
		return nil
	}
	if !c.Net.Own() {
		return []string{c.Net.Mode}
	}
	var all []string
	for _, e := range c.Net.Networks {
		all = append(all, e.Network)
	}
	return all
}

// PortSummaries are the ports that are listened on, and those that are exposed
// only, in Docker's order.
func PortSummaries(c *container.Container) []moby.PortSummary {
	all := []moby.PortSummary{}
	if !c.State.IsRunning() {
		return all
	}
	published := map[string]bool{}
	for _, p := range c.State.Ports {
		published[portKey(p.ContainerPort, p.Proto)] = true
		all = append(all, moby.PortSummary{IP: p.HostIP, PrivatePort: p.ContainerPort, PublicPort: p.HostPort, Type: p.Proto})
	}
	for _, e := range c.Net.Exposed {
		number, proto, _ := strings.Cut(e, "/")
		if n, err := strconv.ParseUint(number, 10, 16); err == nil && !published[e] {
			all = append(all, moby.PortSummary{PrivatePort: uint16(n), Type: proto})
		}
	}
	slices.SortFunc(all, func(a, b moby.PortSummary) int {
		return cmp.Or(cmp.Compare(a.PrivatePort, b.PrivatePort), a.IP.Compare(b.IP), cmp.Compare(a.PublicPort, b.PublicPort), cmp.Compare(a.Type, b.Type))
	})
	return all
}

// HostPort is where a port of a container is reached on the host, as ADDRESS:PORT;
// :0 where it is exposed only.
func HostPort(p moby.PortSummary) string {
	host := ""
	if p.IP.IsValid() {
		host = p.IP.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(p.PublicPort)))
}

// dead is Docker's word for a container that can only be removed.
const dead container.Status = "dead"

// StatusText is the state of a container as a sentence.
func StatusText(s container.State, now time.Time) string {
	ago := func(t time.Time) string { return units.HumanDuration(now.Sub(t)) }
	switch s.Status {
	case container.Running, container.Paused:
		up := "Up " + ago(s.StartedAt)
		switch {
		case s.Status == container.Paused:
			up += " (Paused)"
		case s.Health == nil:
		case s.Health.Status == container.HealthStarting:
			up += " (health: starting)"
		default:
			up += " (" + s.Health.Status + ")"
		}
		return up
	case container.Restarting:
		return fmt.Sprintf("Restarting (%d) %s ago", s.ExitCode, ago(s.FinishedAt))
	case dead:
		return "Dead"
	case container.Exited:
		return fmt.Sprintf("Exited (%d) %s ago", s.ExitCode, ago(s.FinishedAt))
	}
	return "Created"
}

// HealthStatus is the word for the health of a container, none without checks.
func HealthStatus(s container.State) moby.HealthStatus {
	if s.Health == nil {
		return moby.NoHealthcheck
	}
	return moby.HealthStatus(s.Health.Status)
}
