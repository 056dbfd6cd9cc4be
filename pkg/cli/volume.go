// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/volume"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/formatter"
	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/events"
	"coracle/pkg/overlay"
)

func (e *env) inspectVolume(name string) (*volume.Volume, error) {
	cs, err := e.containers()
	if err != nil {
		return nil, err
	}
	v, err := cs.LoadVolume(name)
	if err != nil {
		return nil, err
	}
	return docker.Volume(v, cs.DataDir(v.Name)), nil
}

func volumeCreateCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "Create a volume", ArgsUsage: "[VOLUME]",
		Flags: []cli.Flag{text("driver", short("d"), "Specify volume driver name"), values("label", nil, "Set metadata for a volume")},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 0, 1); err != nil {
				return err
			}
			if d := c.String("driver"); d != "" && d != "local" {
				return fmt.Errorf("error looking up volume plugin %s: plugin %q not found", d, d)
			}
			l, err := labels(c, nil)
			if err != nil {
				return err
			}
			cs, err := e.containers()
			if err != nil {
				return err
			}
			v, err := cs.EnsureVolume(c.Context, c.Args().First(), l)
			if err != nil {
				return err
			}
			fmt.Fprintln(e.stdout, v.Name)
			return nil
		},
	}
}

func volumeListCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "ls", Aliases: []string{"list"}, Usage: "List volumes",
		Flags: append(absent("it is a cluster's", flag("cluster", nil, "")),
			values("filter", short("f"), "Provide filter values"), text("format", nil, "Format output"), flag("quiet", short("q"), "Only display volume names"),
		),
		Action: func(c *cli.Context) error {
			cs, err := e.containers()
			if err != nil {
				return err
			}
			f, err := parseFilters(c.StringSlice("filter"), "name", "label", "dangling", "driver")
			if err != nil {
				return err
			}
			list, err := cs.Volumes()
			if err != nil {
				return err
			}
			var rows []*formatter.VolumeContext
			for _, v := range list {
				if !f.labels(v.Labels) || !f.any("name", func(s string) bool { return strings.Contains(v.Name, s) }) {
					continue
				}
				if len(f["dangling"]) > 0 {
					users, err := cs.VolumeUsers(v.Name)
					if err != nil {
						return err
					}
					if (len(users) == 0) != (f["dangling"][0] == "true" || f["dangling"][0] == "1") {
						continue
					}
				}
				rows = append(rows, formatter.VolumeRow(docker.Volume(v, cs.DataDir(v.Name))))
			}
			l := formatter.Volumes()
			return printList(e, l, e.listFormat(c, l, "volumesFormat"), rows)
		},
	}
}

func volumeInspectCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Display detailed information on one or more volumes", ArgsUsage: "VOLUME [VOLUME...]", Flags: inspectFlags()[:1],
		Action: func(c *cli.Context) error { return e.runInspect(c, "volume") },
	}
}

func volumeRemoveCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "rm", Aliases: []string{"remove"}, Usage: "Remove one or more volumes", ArgsUsage: "VOLUME [VOLUME...]",
		Flags: []cli.Flag{flag("force", short("f"), "Force the removal of one or more volumes")},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 1, -1); err != nil {
				return err
			}
			cs, err := e.containers()
			if err != nil {
				return err
			}
			err = e.each(c.Args().Slice(), func(name string) error {
				err := cs.RemoveVolume(name)
				var missing *container.VolumeNotFoundError
				if errors.Is(err, container.ErrNeedsUserNS) || errors.As(err, &missing) && c.Bool("force") {
					return nil
				}
				return err
			})
			return errors.Join(err, e.sweepTrash(cs))
		},
	}
}

func volumePruneCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove unused local volumes",
		Flags: []cli.Flag{
			flag("all", short("a"), "Remove all unused volumes, not just anonymous ones"),
			values("filter", nil, "Provide filter values (e.g. \"label=<label>\")"), flag("force", short("f"), "Do not prompt for confirmation"),
		},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 0, 0); err != nil {
				return err
			}
			f, err := parseFilters(c.StringSlice("filter"), "all", "label", "label!")
			if err != nil {
				return err
			}
			what := "anonymous local volumes"
			if c.Bool("all") {
				if len(f["all"]) > 0 {
					return cliErrorf("conflicting options: cannot specify both --all and --filter all=1")
				}
				f["all"], what = []string{"true"}, "local volumes"
			}
			if ok, err := e.agreed(c, "WARNING! This will remove "+what+" not used by at least one container."); !ok || err != nil {
				return err
			}
			return e.insideForced(func(*overlay.Store) error { return e.pruneAll(c, f, e.pruneVolumes) })
		},
	}
}

// pruneVolumes removes the volumes that no container names: the anonymous
// ones, or with the filter all every one. Inside the user namespace, where it
// can measure them.
func (e *env) pruneVolumes(_ *cli.Context, f filters) (pruned, error) {
	p := pruned{heading: "Deleted Volumes:"}
	cs, err := e.containers()
	if err != nil {
		return p, err
	}
	list, err := cs.Volumes()
	if err != nil {
		return p, err
	}
	all := slices.ContainsFunc(f["all"], func(v string) bool { return v == "1" || v == "true" })
	for _, v := range list {
		users, err := cs.VolumeUsers(v.Name)
		if err != nil {
			return p, err
		}
		if ok, err := f.matchesPrune(v.Labels, v.Created); err != nil {
			return p, err
		} else if len(users) > 0 || !v.Anonymous && !all || !ok {
			continue
		}
		n, _ := cs.VolumeSize(v.Name) // it goes, whatever it holds
		if err := cs.RemoveVolume(v.Name); err != nil && !errors.Is(err, container.ErrNeedsUserNS) {
			return p, err
		}
		p.lines = append(p.lines, v.Name)
		p.freed += n
	}
	e.pruneEvent(events.Volume, p.freed)
	return p, e.sweepTrash(cs)
}
