// SPDX-License-Identifier: Apache-2.0

package formatter

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"coracle/pkg/docker"
)

// ComposeContainers is docker compose's list of the containers of a project.
func ComposeContainers() List {
	return List{
		heads: Heads{
			"ID": "CONTAINER ID", "Name": "NAME", "Names": "NAMES", "Project": "PROJECT", "Service": "SERVICE", "Image": "IMAGE", "Command": "COMMAND",
			"CreatedAt": "CREATED AT", "RunningFor": "CREATED", "Ports": "PORTS", "State": "STATE", "Status": "STATUS", "Size": "SIZE", "Labels": "LABELS",
			"Mounts": "MOUNTS", "LocalVolumes": "LOCAL VOLUMES", "Networks": "NETWORKS", "Health": "HEALTH", "ExitCode": "EXIT CODE",
			"Publishers": "PUBLISHERS",
		},
		table: "{{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}",
		quiet: "{{.ID}}", quietWins: true,
	}
}

// Publisher is a port of a container on the host.
type Publisher struct {
	URL           string
	TargetPort    int
	PublishedPort int
	Protocol      string
}

// ComposeContainer is a container in the list; the fields of its JSON are docker
// compose's.
type ComposeContainer struct {
	Command      string
	CreatedAt    string
	ExitCode     int
	Health       string
	ID           string
	Image        string
	Labels       string
	LocalVolumes string
	Mounts       string
	Name         string
	Names        string
	Networks     string
	Ports        string
	Project      string
	Publishers   []Publisher
	RunningFor   string
	Service      string
	Size         string
	State        string
	Status       string

	labels map[string]string
}

// Label is the value of one label.
func (c *ComposeContainer) Label(name string) string { return c.labels[name] }

// ComposeRow is the row of a container that has ended with a code; short cuts what
// is long.
func ComposeRow(s docker.Summary, code int, health string, short bool, now time.Time) *ComposeContainer {
	c := Container(s, short, now)
	row := &ComposeContainer{
		Command: c.Command, CreatedAt: c.CreatedAt, ExitCode: code, Health: health, ID: c.ID, Image: c.Image, Labels: c.Labels,
		LocalVolumes: c.LocalVolumes, Mounts: c.Mounts, Name: c.Names, Names: c.Names, Networks: c.Networks, Ports: c.Ports,
		Project: s.Labels["com.docker.compose.project"], Service: s.Labels["com.docker.compose.service"], Publishers: []Publisher{},
		RunningFor: c.RunningFor, Size: c.Size, State: c.State, Status: c.Status, labels: s.Labels,
	}
	for _, p := range s.Ports {
		url := ""
		if p.IP.IsValid() {
			url = p.IP.String()
		}
		row.Publishers = append(row.Publishers, Publisher{URL: url, TargetPort: int(p.PrivatePort), PublishedPort: int(p.PublicPort), Protocol: p.Type})
	}
	return row
}

// ComposeProjects is docker compose's list of projects.
func ComposeProjects() List {
	return List{
		heads: Heads{"Name": "NAME", "Status": "STATUS", "ConfigFiles": "CONFIG FILES"},
		table: "{{.Name}}\t{{.Status}}\t{{.ConfigFiles}}", quiet: "{{.Name}}", quietWins: true,
	}
}

// ComposeProject is a project in the list.
type ComposeProject struct {
	Name        string
	Status      string
	ConfigFiles string
}

// Counts are numbers of things in words: exited(1), running(2).
func Counts(names []string, of map[string]int) string {
	var list []string
	for _, n := range names {
		list = append(list, n+"("+strconv.Itoa(of[n])+")")
	}
	return strings.Join(list, ", ")
}

// ComposeImages is docker compose's list of the images of containers.
func ComposeImages() List {
	return List{
		heads: Heads{
			"ContainerName": "CONTAINER", "ShownRepository": "REPOSITORY", "ShownTag": "TAG", "Platform": "PLATFORM", "ShortID": "IMAGE ID",
			"ShownSize": "SIZE", "Since": "CREATED",
		},
		table: "{{.ContainerName}}\t{{.ShownRepository}}\t{{.ShownTag}}\t{{.Platform}}\t{{.ShortID}}\t{{.ShownSize}}\t{{.Since}}",
	}
}

// ComposeImage is the image of a container in the list; what JSON has of it is docker
// compose's, what the table has are texts.
type ComposeImage struct {
	ID            string
	ContainerName string
	Repository    string
	Tag           string
	Platform      string
	Size          int64
	Created       *time.Time `json:",omitempty"`

	ShownRepository, ShownTag, ShortID, ShownSize, Since string `json:"-"`
}

// ComposeImageRow is the row of the image of a container.
func ComposeImageRow(container, id, repository, tag, platform string, size int64, created *time.Time, now time.Time) *ComposeImage {
	row := &ComposeImage{
		ID: id, ContainerName: container, Repository: repository, Tag: tag, Platform: platform, Size: size, Created: created,
		ShownRepository: cmp.Or(repository, none), ShownTag: cmp.Or(tag, none), ShortID: shortID(id, true),
		ShownSize: units.HumanSizeWithPrecision(float64(size), 3), Since: unknown,
	}
	if created != nil {
		row.Since = units.HumanDuration(now.Sub(*created)) + " ago"
	}
	return row
}
