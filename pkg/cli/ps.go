// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/oci"
	"coracle/pkg/slirp"
)

var psColumns = []column{
	{"CONTAINER ID", "ID"}, {"IMAGE", "Image"}, {"COMMAND", "Command"}, {"CREATED", "RunningFor"},
	{"STATUS", "Status"}, {"PORTS", "Ports"}, {"NAMES", "Names"},
}

var psFields = append(psColumns[:len(psColumns):len(psColumns)],
	column{"CREATED AT", "CreatedAt"}, column{"STATE", "State"}, column{"LABELS", "Labels"}, column{"MOUNTS", "Mounts"},
	column{"LOCAL VOLUMES", "LocalVolumes"}, column{"NETWORKS", "Networks"}, column{"SIZE", "Size"}, column{"PLATFORM", "Platform"},
	column{"HEALTH", "HealthStatus"})

func psCommand(e *env, name string, aliases ...string) *cli.Command {
	return &cli.Command{
		Name: name, Aliases: aliases, Usage: "List containers",
		Flags: []cli.Flag{
			flag("all", short("a"), "Show all containers (default shows just running)"),
			values("filter", short("f"), "Filter output based on conditions provided"),
			text("format", nil, "Format output: table, json, or a Go template"),
			&cli.IntFlag{Name: "last", Aliases: short("n"), Value: -1, Usage: "Show n last created containers (includes all states)"},
			flag("latest", short("l"), "Show the latest created container (includes all states)"),
			flag("no-trunc", nil, "Don't truncate output"),
			flag("quiet", short("q"), "Only display container IDs"),
		},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 0, 0); err != nil {
				return err
			}
			return e.runPs(c)
		},
	}
}

func (e *env) runPs(c *cli.Context) error {
	cs, err := e.containers()
	if err != nil {
		return err
	}
	f, err := parseFilters(c.StringSlice("filter"), "id", "name", "label", "exited", "status", "ancestor", "before", "since", "volume", "network", "publish", "expose")
	if err != nil {
		return err
	}
	list, bad := cs.List()
	if bad != nil {
		e.say(bad) // the good ones are shown all the same
	}
	last := c.Int("last")
	if c.Bool("latest") {
		last = 1
	}
	if list, err = e.filterContainers(list, f, c.Bool("all") || last >= 0 || len(f["status"]) > 0 || len(f["exited"]) > 0); err != nil {
		return err
	}
	if last >= 0 {
		list = list[:min(last, len(list))]
	}
	if c.Bool("quiet") && c.String("format") == "" {
		for _, ctr := range list {
			fmt.Fprintln(e.stdout, shortID(ctr.ID, c.Bool("no-trunc")))
		}
		return nil
	}
	rows := make([]row, len(list))
	for i, ctr := range list {
		rows[i] = psRow(ctr, c.Bool("no-trunc"))
	}
	return e.list(e.format(c, "psFormat"), psColumns, psFields, rows)
}

func shortID(id string, whole bool) string {
	if whole {
		return id
	}
	return id[:12]
}

func psRow(c *container.Container, whole bool) row {
	command := strings.Join(c.Process.Args(), " ")
	if r := []rune(command); !whole && len(r) > 20 {
		command = string(r[:19]) + "…"
	}
	var mounts []string
	volumes := 0
	for _, m := range c.Mounts {
		switch m.Type {
		case container.MountVolume:
			mounts = append(mounts, m.Name)
			volumes++
		case container.MountBind:
			mounts = append(mounts, m.Source)
		}
	}
	return row{
		"ID": shortID(c.ID, whole), "Image": clean(c.Image), "Command": strconv.Quote(command),
		"RunningFor": ago(c.Created), "CreatedAt": dockerTime(c.Created), "Status": statusText(c.State), "State": string(c.State.Status),
		"Ports": portsText(c), "Names": c.Name, "Labels": clean(labelText(c.Labels)), "Mounts": strings.Join(mounts, ","),
		"LocalVolumes": strconv.Itoa(volumes), "Networks": strings.Join(networksOf(c), ","), "Size": "0B", "Platform": c.Platform, "HealthStatus": healthText(c.State),
	}
}

// portsText is the PORTS column: what is published, with ranges drawn
// together, and what is only exposed.
func portsText(c *container.Container) string {
	if !c.State.IsRunning() {
		return ""
	}
	ports := slices.Clone(c.State.Ports)
	slices.SortStableFunc(ports, func(a, b slirp.Port) int {
		return int(a.ContainerPort) - int(b.ContainerPort)
	})
	var out []string
	published := map[string]bool{}
	for _, proto := range []string{"tcp", "udp"} {
		for _, v6 := range []bool{false, true} {
			out = append(out, portRuns(ports, proto, v6, published)...)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return portKey(a) - portKey(b) })
	for _, p := range c.Net.Exposed {
		if !published[p] {
			out = append(out, p)
		}
	}
	return strings.Join(out, ", ")
}

func portKey(s string) int {
	_, target, _ := strings.Cut(s, "->")
	n := 0
	for _, r := range target {
		if r < '0' || r > '9' {
			break
		}
		n = n*10 + int(r-'0')
	}
	return n
}

func portRuns(ports []slirp.Port, proto string, v6 bool, published map[string]bool) []string {
	var out []string
	for i := 0; i < len(ports); i++ {
		p := ports[i]
		if p.Proto != proto || p.HostIP.Is6() != v6 {
			continue
		}
		published[fmt.Sprintf("%d/%s", p.ContainerPort, proto)] = true
		first, last := p, p
		for j := i + 1; j < len(ports); j++ {
			n := ports[j]
			if n.Proto != proto || n.HostIP != p.HostIP {
				continue
			}
			if n.ContainerPort != last.ContainerPort+1 || n.HostPort != last.HostPort+1 {
				break
			}
			last, i = n, j
			published[fmt.Sprintf("%d/%s", n.ContainerPort, proto)] = true
		}
		out = append(out, fmt.Sprintf("%s:%s->%s/%s", hostText(p.HostIP),
			spanText(first.HostPort, last.HostPort), spanText(first.ContainerPort, last.ContainerPort), proto))
	}
	return out
}

func spanText(a, b uint16) string {
	if a == b {
		return strconv.Itoa(int(a))
	}
	return fmt.Sprintf("%d-%d", a, b)
}

func hostText(ip netip.Addr) string {
	if ip.Is6() {
		return "[" + ip.String() + "]"
	}
	return ip.String()
}

// filterContainers applies --filter; without all only running ones are left.
func (e *env) filterContainers(list []*container.Container, f filters, all bool) ([]*container.Container, error) {
	images, err := e.ancestors(f["ancestor"])
	if err != nil {
		return nil, err
	}
	var before, since time.Time
	for key, to := range map[string]*time.Time{"before": &before, "since": &since} {
		for _, arg := range f[key] {
			cs, err := e.containers()
			if err != nil {
				return nil, err
			}
			other, err := cs.Lookup(arg)
			if err != nil {
				return nil, err
			}
			*to = other.Created
		}
	}
	keep := func(c *container.Container) bool {
		return (all || c.State.IsRunning()) && f.labels(c.Labels) &&
			f.any("id", func(v string) bool { return strings.HasPrefix(c.ID, v) }) &&
			f.any("name", func(v string) bool { return strings.Contains(c.Name, strings.TrimPrefix(v, "/")) }) &&
			f.any("status", func(v string) bool { return string(c.State.Status) == v }) &&
			f.any("exited", func(v string) bool {
				return c.State.Status == container.Exited && strconv.Itoa(c.State.ExitCode) == v
			}) &&
			f.any("network", func(v string) bool { return slices.Contains(networksOf(c), v) }) &&
			f.any("volume", func(v string) bool {
				return slices.ContainsFunc(c.Mounts, func(m container.Mount) bool { return m.Name == v || m.Target == v || m.Source == v })
			}) &&
			f.any("publish", func(v string) bool {
				return slices.ContainsFunc(c.State.Ports, func(p slirp.Port) bool {
					n, _, _ := strings.Cut(v, "/")
					return strconv.Itoa(int(p.HostPort)) == n
				})
			}) &&
			f.any("expose", func(v string) bool {
				return slices.ContainsFunc(c.Net.Exposed, func(p string) bool { return p == v || p == v+"/tcp" })
			}) &&
			(len(f["ancestor"]) == 0 || images[c.ImageID]) &&
			(before.IsZero() || c.Created.Before(before)) && (since.IsZero() || c.Created.After(since))
	}
	return slices.DeleteFunc(list, func(c *container.Container) bool { return !keep(c) }), nil
}

func (e *env) ancestors(args []string) (map[string]bool, error) {
	ids := map[string]bool{}
	for _, a := range args {
		img, _, err := e.image(a)
		var missing *oci.NotFoundError
		if errors.As(err, &missing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ids[img.ID] = true
	}
	return ids, nil
}

// networksOf are the names of a container's networks.
func networksOf(c *container.Container) []string {
	list := []string{c.Net.Mode}
	for _, e := range c.Net.More {
		list = append(list, e.Network)
	}
	return list
}
