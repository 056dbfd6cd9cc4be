// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/dockerfile"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

func dfCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "df", Usage: "Show docker disk usage",
		Flags: []cli.Flag{
			text("format", nil, "Format output: table, json, or a Go template"),
			flag("verbose", short("v"), "Show detailed information on space usage"),
		},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 0, 0); err != nil {
				return err
			}
			return e.inside(func(st *overlay.Store) error {
				u, err := e.measure(st)
				if err != nil {
					return err
				}
				if c.Bool("verbose") {
					return e.printUseOfEach(u, c.String("format"))
				}
				return e.list(c.String("format"), dfColumns, dfColumns, u.rows())
			})
		},
	}
}

var dfColumns = []column{{"TYPE", "Type"}, {"TOTAL", "TotalCount"}, {"ACTIVE", "Active"}, {"SIZE", "Size"}, {"RECLAIMABLE", "Reclaimable"}}

// diskUse is what there is on the disk, with the size of each.
type diskUse struct {
	images     []imageUse
	layers     int64 // of all images, each counted once
	containers []*container.Container
	own        map[string]int64 // their read-write layers, by ID
	volumes    []volumeUse
	cache      []dockerfile.CacheRecord
}

type imageUse struct {
	overlay.Image
	shared     int64 // bytes of layers that another image has, too
	containers int
}

type volumeUse struct {
	container.Volume
	size  int64
	links int // containers that name it
}

// measure looks at everything, inside the user namespace: files of other ids
// can be read there. A damaged thing is told of and left out.
func (e *env) measure(st *overlay.Store) (diskUse, error) {
	var u diskUse
	cs, err := e.containers()
	if err != nil {
		return u, err
	}
	var bad error
	if u.containers, bad = cs.List(); bad != nil {
		e.say(bad)
	}
	if u.own, err = e.ownSizes(u.containers); err != nil {
		return u, err
	}
	if err := e.measureImages(st, &u); err != nil {
		return u, err
	}
	volumes, err := cs.Volumes()
	if err != nil {
		return u, err
	}
	for _, v := range volumes {
		n, err := cs.VolumeSize(v.Name)
		if err != nil {
			return u, err
		}
		users, err := cs.VolumeUsers(v.Name)
		if err != nil {
			return u, err
		}
		u.volumes = append(u.volumes, volumeUse{v, n, len(users)})
	}
	u.cache, err = dockerfile.CacheUse(st)
	return u, err
}

func (e *env) measureImages(st *overlay.Store, u *diskUse) error {
	ix, err := e.index()
	if err != nil {
		return err
	}
	layers, err := st.Usage()
	if err != nil {
		return err
	}
	shared := map[string]int64{}
	for _, l := range layers {
		if len(l.Images) > 0 {
			u.layers += l.Size
		}
		if len(l.Images) > 1 {
			for _, id := range l.Images {
				shared[id] += l.Size
			}
		}
	}
	for _, img := range ix.Images {
		use := imageUse{Image: img, shared: shared[img.ID]}
		for _, c := range u.containers {
			if usesImage(c, img.ID) {
				use.containers++
			}
		}
		u.images = append(u.images, use)
	}
	return nil
}

// rows are the lines of df: of every kind how many, how many of them in use,
// how large, and what a prune would free.
func (u diskUse) rows() []row {
	line := func(kind string, total, active int, all, free int64) row {
		freed := units.HumanSize(float64(free))
		if all > 0 && kind != "Build Cache" {
			freed += fmt.Sprintf(" (%d%%)", free*100/all)
		}
		return row{"Type": kind, "TotalCount": strconv.Itoa(total), "Active": strconv.Itoa(active), "Size": units.HumanSize(float64(all)), "Reclaimable": freed}
	}
	active := 0
	for _, img := range u.images {
		if img.containers > 0 {
			active++
		}
	}
	var rows []row
	free := u.layers
	if active > 0 { // what is shared stays as long as one of them does
		free = 0
		for _, img := range u.images {
			if img.containers == 0 {
				free += img.Size - img.shared
			}
		}
	}
	rows = append(rows, line("Images", len(u.images), active, u.layers, free))
	active, free = 0, 0
	var all int64
	for _, c := range u.containers {
		n := u.own[c.ID]
		if all += n; c.State.IsRunning() {
			active++
		} else {
			free += n
		}
	}
	rows = append(rows, line("Containers", len(u.containers), active, all, free))
	active, all, free = 0, 0, 0
	for _, v := range u.volumes {
		if all += v.size; v.links > 0 {
			active++
		} else {
			free += v.size
		}
	}
	n := dockerfile.CacheSize(u.cache)
	return append(rows, line("Local Volumes", len(u.volumes), active, all, free), line("Build Cache", len(u.cache), 0, n, n))
}

var (
	dfImageColumns = []column{
		{"REPOSITORY", "Repository"}, {"TAG", "Tag"}, {"IMAGE ID", "ID"}, {"CREATED", "CreatedSince"}, {"SIZE", "Size"}, {"SHARED SIZE", "SharedSize"},
		{"UNIQUE SIZE", "UniqueSize"}, {"CONTAINERS", "Containers"},
	}
	dfContainerColumns = []column{
		{"CONTAINER ID", "ID"}, {"IMAGE", "Image"}, {"COMMAND", "Command"}, {"LOCAL VOLUMES", "LocalVolumes"}, {"SIZE", "Size"}, {"CREATED", "RunningFor"},
		{"STATUS", "Status"}, {"NAMES", "Names"},
	}
	dfVolumeColumns = []column{{"VOLUME NAME", "Name"}, {"LINKS", "Links"}, {"SIZE", "Size"}}
)

// each are the rows of df -v, by kind.
func (u diskUse) each() (images, containers, volumes []row) {
	images, containers, volumes = []row{}, []row{}, []row{}
	for _, img := range u.images {
		repo, tag := "<none>", "<none>"
		if len(img.Names) > 0 {
			repo, tag = oci.SplitName(img.Names[0])
		}
		images = append(images, row{
			"Repository": repo, "Tag": tag, "ID": img.ID[:12], "CreatedSince": ago(img.Created), "CreatedAt": dockerTime(img.Created), "Size": size(img.Size),
			"SharedSize": units.HumanSize(float64(img.shared)), "UniqueSize": units.HumanSize(float64(img.Size - img.shared)), "Containers": strconv.Itoa(img.containers),
			"Digest": "<none>",
		})
	}
	for _, c := range u.containers {
		r := psRow(c, false)
		r["Size"] = size(u.own[c.ID])
		containers = append(containers, r)
	}
	for _, v := range u.volumes {
		volumes = append(volumes, row{
			"Name": v.Name, "Links": strconv.Itoa(v.links), "Size": units.HumanSize(float64(v.size)), "Driver": "local", "Scope": "local", "Labels": labelText(v.Labels),
		})
	}
	return images, containers, volumes
}

func (e *env) printUseOfEach(u diskUse, format string) error {
	images, containers, volumes := u.each()
	if format != "" && format != "table" {
		if strings.HasPrefix(format, "table ") {
			return cliErrorf("df -v has several tables: give a template without \"table\"")
		}
		t, err := parseTemplate(orJSON(format))
		if err != nil {
			return err
		}
		err = t.Execute(e.stdout, map[string]any{"Images": images, "Containers": containers, "Volumes": volumes, "BuildCache": cacheRows(u.cache)})
		fmt.Fprintln(e.stdout)
		return err
	}
	for _, part := range []struct {
		title   string
		columns []column
		rows    []row
	}{
		{"Images space usage:", dfImageColumns, images},
		{"\nContainers space usage:", dfContainerColumns, containers},
		{"\nLocal Volumes space usage:", dfVolumeColumns, volumes},
		{"\nBuild cache usage: " + units.HumanSize(float64(dockerfile.CacheSize(u.cache))), cacheColumns, cacheRows(u.cache)},
	} {
		fmt.Fprintf(e.stdout, "%s\n\n", part.title)
		if err := e.list("", part.columns, part.columns, part.rows); err != nil {
			return err
		}
	}
	return nil
}
