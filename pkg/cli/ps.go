// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
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
			flag("size", short("s"), "Display total file sizes"),
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
	f, err := parseFilters(c.StringSlice("filter"), "id", "name", "label", "exited", "status", "ancestor", "before", "since", "volume", "network", "publish", "expose", "health")
	if err != nil {
		return err
	}
	all, err := cs.ListAll()
	if err != nil {
		return err
	}
	if all.Bad != nil {
		e.say(all.Bad) // the good ones are shown all the same
	}
	cs.Reclaim(all.Orphans)
	list := append(all.Containers, all.Dead...)
	last := c.Int("last")
	if c.Bool("latest") {
		last = 1
	}
	if list, err = e.filterContainers(list, f, c.Bool("all") || last > 0 || len(f["status"]) > 0 || len(f["exited"]) > 0); err != nil {
		return err
	}
	if last > 0 {
		list = list[:min(last, len(list))]
	}
	if c.Bool("quiet") && c.String("format") == "" {
		for _, ctr := range list {
			fmt.Fprintln(e.stdout, shortID(ctr.ID, c.Bool("no-trunc")))
		}
		return nil
	}
	format := e.format(c, "psFormat")
	columns := psColumns
	var sizes map[string]containerSize
	if c.Bool("size") || strings.Contains(format, ".Size") {
		columns = append(psColumns[:len(psColumns):len(psColumns)], column{"SIZE", "Size"})
		if sizes, err = e.sizes(list); err != nil {
			return err
		}
	}
	rows := make([]row, len(list))
	for i, ctr := range list {
		rows[i] = psRow(ctr, c.Bool("no-trunc"))
		if n, ok := sizes[ctr.ID]; ok {
			rows[i]["Size"] = n.String()
		}
	}
	return e.list(format, columns, psFields, rows)
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
	return strings.Join(append(out, exposedRuns(c.Net.Exposed, published)...), ", ")
}

// exposedRuns are the ports that are only exposed.
func exposedRuns(exposed []string, published map[string]bool) []string {
	var out []string
	for _, proto := range []string{"tcp", "udp", "sctp"} {
		var ports []uint16
		for _, p := range exposed {
			n, kind, _ := strings.Cut(p, "/")
			if port, err := strconv.ParseUint(n, 10, 16); err == nil && kind == proto && !published[p] {
				ports = append(ports, uint16(port))
			}
		}
		slices.Sort(ports)
		for i := 0; i < len(ports); i++ {
			first := ports[i]
			for i+1 < len(ports) && ports[i+1] == ports[i]+1 {
				i++
			}
			out = append(out, spanText(first, ports[i])+"/"+proto)
		}
	}
	return out
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

// networksOf are the names of a container's networks.
func networksOf(c *container.Container) []string {
	if !c.Net.Own() {
		return []string{c.Net.Mode}
	}
	var list []string
	for _, e := range c.Net.Networks {
		list = append(list, e.Network)
	}
	return list
}
