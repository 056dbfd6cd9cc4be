// SPDX-License-Identifier: Apache-2.0

package formatter

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/docker"
	"coracle/pkg/oci"
)

// Containers is the list of containers.
func Containers(size bool) List {
	l := List{
		heads: Heads{
			"ID": "CONTAINER ID", "Names": "NAMES", "Image": "IMAGE", "Command": "COMMAND", "CreatedAt": "CREATED AT", "RunningFor": "CREATED",
			"Ports": "PORTS", "State": "STATE", "Status": "STATUS", "Size": "SIZE", "Labels": "LABELS", "Mounts": "MOUNTS",
			"LocalVolumes": "LOCAL VOLUMES", "Networks": "NETWORKS", "Platform": "PLATFORM", "HealthStatus": "HEALTH STATUS",
		},
		table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
		quiet: "{{.ID}}", rawQuiet: "container_id: {{.ID}}", quietWins: true,
		raw: `container_id: {{.ID}}
image: {{.Image}}
command: {{.Command}}
created_at: {{.CreatedAt}}
state: {{- pad .State 1 0}}
status: {{- pad .Status 1 0}}
names: {{.Names}}
labels: {{- pad .Labels 1 0}}
ports: {{- pad .Ports 1 0}}
`,
	}
	if size {
		l.raw += "size: {{.Size}}\n"
		return l.Extend("{{.Size}}")
	}
	return l
}

// ContainerContext is a container in a list.
type ContainerContext struct {
	Command      string
	CreatedAt    string
	HealthStatus string
	ID           string
	Image        string
	Labels       string
	LocalVolumes string
	Mounts       string
	Names        string
	Networks     string
	Platform     string
	Ports        string
	RunningFor   string
	Size         string
	State        string
	Status       string

	labels map[string]string
}

// Label is the value of one label.
func (c *ContainerContext) Label(name string) string { return c.labels[name] }

// MarshalJSON makes of <, > and & what Docker does.
func (c *ContainerContext) MarshalJSON() ([]byte, error) {
	type plain ContainerContext
	return json.Marshal((*plain)(c))
}

// Container is the row of s at the time now; short cuts what is long.
func Container(s docker.Summary, short bool, now time.Time) *ContainerContext {
	created := time.Unix(s.Created, 0)
	row := &ContainerContext{
		ID: shortID(s.ID, short), Image: Clean(imageName(s, short)), Command: s.Command, CreatedAt: created.String(),
		HealthStatus: string(s.Health.Status), Labels: Clean(labelText(s.Labels)), Networks: strings.Join(s.NetworkNames, ","), Platform: s.Platform,
		Ports: portsText(s.Ports), RunningFor: units.HumanDuration(now.Sub(created)) + " ago", State: string(s.State), Status: s.Status,
		Size: sizeText(s.SizeRw, s.SizeRootFs), labels: s.Labels,
	}
	if short {
		row.Command = ellipsis(row.Command, 20)
	}
	row.Command = strconv.Quote(row.Command)
	var names, mounts []string
	for _, n := range s.Names {
		names = append(names, strings.TrimPrefix(n, "/"))
	}
	volumes := 0
	for _, m := range s.Mounts {
		name := m.Name
		if name == "" {
			name = m.Source
		}
		if short {
			name = ellipsis(name, 15)
		}
		if name != "" {
			mounts = append(mounts, name)
		}
		if m.Driver == docker.VolumeDriver {
			volumes++
		}
	}
	row.Names, row.Mounts, row.LocalVolumes = strings.Join(names, ","), Clean(strings.Join(mounts, ",")), strconv.Itoa(volumes)
	return row
}

// imageName is what the container was made of, without a digest where it is to
// be short.
func imageName(s docker.Summary, short bool) string {
	switch {
	case s.Image == "":
		return "<no image>"
	case !short:
		return s.Image
	case shortID(s.ImageID, true) == shortID(s.Image, true):
		return shortID(s.Image, true)
	}
	name, _, _ := strings.Cut(s.Image, "@")
	return oci.Familiar(name)
}

func sizeText(own, all int64) string {
	if all > 0 {
		return fmt.Sprintf("%s (virtual %s)", units.HumanSizeWithPrecision(float64(own), 3), units.HumanSizeWithPrecision(float64(all), 3))
	}
	return units.HumanSizeWithPrecision(float64(own), 3)
}

func labelText(m map[string]string) string {
	var list []string
	for k, v := range m {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

// portRange is a row of ports that follow each other, at the same address of
// the host and under the same numbers there.
type portRange struct {
	ip, proto   string // ip is "" for ports that are exposed only
	first, last uint16
}

func (r portRange) String() string {
	ports := strconv.Itoa(int(r.first))
	if r.last != r.first {
		ports += "-" + strconv.Itoa(int(r.last))
	}
	if r.ip != "" {
		ports = net.JoinHostPort(r.ip, ports) + "->" + ports
	}
	return ports + "/" + r.proto
}

// portsText is the PORTS column of ports in Docker's order: what has the same
// number on the host is drawn together, and what has another comes after it.
func portsText(ports []moby.PortSummary) string {
	var done, mapped []string
	var open []*portRange
	for _, p := range ports {
		ip := ""
		if p.IP.IsValid() {
			ip = p.IP.String()
			if p.PublicPort != p.PrivatePort {
				mapped = append(mapped, fmt.Sprintf("%s->%d/%s", net.JoinHostPort(ip, strconv.Itoa(int(p.PublicPort))), p.PrivatePort, p.Type))
				continue
			}
		}
		i := slices.IndexFunc(open, func(r *portRange) bool { return r.ip == ip && r.proto == p.Type })
		switch {
		case i < 0:
			open = append(open, &portRange{ip, p.Type, p.PrivatePort, p.PrivatePort})
		case p.PrivatePort == open[i].last+1:
			open[i].last = p.PrivatePort
		default:
			done = append(done, open[i].String())
			open[i].first, open[i].last = p.PrivatePort, p.PrivatePort
		}
	}
	for _, r := range open {
		done = append(done, r.String())
	}
	return strings.Join(append(done, mapped...), ", ")
}
