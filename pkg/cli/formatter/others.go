// SPDX-License-Identifier: Apache-2.0

package formatter

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/volume"

	"coracle/pkg/docker"
)

// Networks is the list of networks.
func Networks() List {
	return List{
		heads: Heads{
			"ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE", "IPv4": "IPV4", "IPv6": "IPV6", "Internal": "INTERNAL",
			"Labels": "LABELS", "CreatedAt": "CREATED AT",
		},
		table: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", quiet: "{{.ID}}",
		raw: "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n", rawQuiet: "network_id: {{.ID}}",
	}
}

// NetworkContext is a network in a list.
type NetworkContext = networkContext

type networkContext struct {
	CreatedAt string
	Driver    string
	ID        string
	IPv4      string
	IPv6      string
	Internal  string
	Labels    string
	Name      string
	Scope     string

	labels map[string]string
}

// Label is the value of one label.
func (c *networkContext) Label(name string) string { return c.labels[name] }

// MarshalJSON makes of <, > and & what Docker does.
func (c *networkContext) MarshalJSON() ([]byte, error) {
	type plain networkContext
	return json.Marshal((*plain)(c))
}

// NetworkRow is the row of n.
func NetworkRow(n *docker.Network, short bool) *networkContext {
	return &networkContext{
		CreatedAt: n.Created.String(), Driver: n.Driver, ID: shortID(n.ID, short), IPv4: strconv.FormatBool(n.EnableIPv4),
		IPv6: strconv.FormatBool(n.EnableIPv6), Internal: strconv.FormatBool(n.Internal), Labels: Clean(labelText(n.Labels)),
		Name: n.Name, Scope: n.Scope, labels: n.Labels,
	}
}

// Volumes is the list of volumes.
func Volumes() List {
	return List{
		heads: Heads{
			"ID": "ID", "Name": "VOLUME NAME", "Group": "GROUP", "Driver": "DRIVER", "Scope": "SCOPE", "Availability": "AVAILABILITY",
			"Mountpoint": "MOUNTPOINT", "Labels": "LABELS", "Links": "LINKS", "Size": "SIZE", "Status": "STATUS",
		},
		table: "{{.Driver}}\t{{.Name}}", quiet: "{{.Name}}", raw: "name: {{.Name}}\ndriver: {{.Driver}}\n", rawQuiet: "name: {{.Name}}",
	}
}

// VolumeContext is a volume in a list.
type VolumeContext = volumeContext

type volumeContext struct {
	Availability string
	Driver       string
	Group        string
	Labels       string
	Links        string
	Mountpoint   string
	Name         string
	Scope        string
	Size         string
	Status       string

	labels map[string]string
}

// Label is the value of one label.
func (c *volumeContext) Label(name string) string { return c.labels[name] }

// MarshalJSON makes of <, > and & what Docker does.
func (c *volumeContext) MarshalJSON() ([]byte, error) {
	type plain volumeContext
	return json.Marshal((*plain)(c))
}

// VolumeRow is the row of v. Volumes of clusters have the rest.
func VolumeRow(v *volume.Volume) *volumeContext {
	row := &volumeContext{
		Availability: unknown, Driver: v.Driver, Group: unknown, Labels: Clean(labelText(v.Labels)), Links: unknown, Mountpoint: v.Mountpoint,
		Name: v.Name, Scope: v.Scope, Size: unknown, Status: unknown, labels: v.Labels,
	}
	if u := v.UsageData; u != nil {
		row.Links, row.Size = strconv.FormatInt(u.RefCount, 10), units.HumanSize(float64(u.Size))
	}
	return row
}

// Stats is the list of what containers use.
func Stats() List {
	return List{
		heads: Heads{
			"Container": "CONTAINER", "Name": "NAME", "ID": "CONTAINER ID", "CPUPerc": "CPU %", "MemUsage": "MEM USAGE / LIMIT", "MemPerc": "MEM %",
			"NetIO": "NET I/O", "BlockIO": "BLOCK I/O", "PIDs": "PIDS",
		},
		table: "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
	}
}

// StatsContext is what a container uses in a list.
type StatsContext = statsContext

type statsContext struct {
	BlockIO   string
	CPUPerc   string
	Container string
	ID        string
	MemPerc   string
	MemUsage  string
	Name      string
	NetIO     string
	PIDs      string
}

// StatsRow is the row of a container, which was asked for as arg.
func StatsRow(arg string, s docker.StatsResponse, short bool) *statsContext {
	bytes := func(n uint64) string { return units.HumanSizeWithPrecision(float64(n), 3) }
	received, sent, read, written := docker.Traffic(s)
	memory, limit := float64(s.MemoryStats.Usage), float64(s.MemoryStats.Limit)
	row := &statsContext{
		Container: arg, ID: shortID(s.ID, short), Name: strings.TrimPrefix(s.Name, "/"), CPUPerc: percent(docker.CPUShare(s)), MemPerc: percent(0),
		MemUsage: units.BytesSize(memory) + " / " + units.BytesSize(limit),
		NetIO:    bytes(received) + " / " + bytes(sent), BlockIO: bytes(read) + " / " + bytes(written), PIDs: strconv.FormatUint(s.PidsStats.Current, 10),
	}
	if limit > 0 {
		row.MemPerc = percent(memory / limit)
	}
	return row
}

func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 2, 64) + "%" }

// DiskUsage is the list of what there is on the disk, by kind.
func DiskUsage() List {
	return List{
		heads: Heads{"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"},
		table: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
		raw:   "type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\nreclaimable: {{.Reclaimable}}\n",
	}
}

// DiskUsageContext is one kind of things on the disk.
type DiskUsageContext struct {
	Active      string
	Reclaimable string
	Size        string
	TotalCount  string
	Type        string
}

// BuildCache is the list of what builds have kept.
func BuildCache() List {
	return List{
		heads: Heads{
			"ID": "CACHE ID", "Parent": "PARENT", "CacheType": "CACHE TYPE", "Description": "DESCRIPTION", "InUse": "IN USE", "Shared": "SHARED", "Size": "SIZE",
			"CreatedAt": "CREATED AT", "CreatedSince": "CREATED", "LastUsedAt": "LAST USED AT", "LastUsedSince": "LAST USED", "UsageCount": "USAGE",
		},
		table: "{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}", quiet: "{{.ID}}",
	}
}

// BuildCacheContext is one thing that builds have kept.
type BuildCacheContext struct {
	CacheType     string
	CreatedAt     string
	CreatedSince  string
	Description   string
	ID            string
	InUse         string
	LastUsedAt    string
	LastUsedSince string
	Parent        string
	Shared        string
	Size          string
	UsageCount    string
}

// Contexts is the list of contexts.
func Contexts() List {
	return List{
		heads: Heads{"Name": "NAME", "Description": "DESCRIPTION", "DockerEndpoint": "DOCKER ENDPOINT", "Error": "ERROR"},
		table: "{{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}", quiet: "{{.Name}}",
	}
}

// Abilities is the list of what a host gives: its rows are doctor's.
func Abilities() List {
	return List{heads: Heads{"Name": "ABILITY", "State": "HERE", "Found": "FOUND", "Needed": "NEEDED", "Lost": "LOST", "Instead": "INSTEAD", "Remedy": "REMEDY"}}
}

// ClientContext is one context. Current has no heading, so that the heading of
// the names gets no star.
type ClientContext struct {
	Current        bool
	Description    string
	DockerEndpoint string
	Error          string
	Name           string
}
