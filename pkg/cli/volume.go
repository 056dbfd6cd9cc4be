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

func inspectVolume(e *env, name string) (*volume.Volume, error) {
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
		Flags: []cli.Flag{
			text("driver", short("d"), "Specify volume driver name"), values("label", nil, "Set metadata for a volume"),
			values("opt", short("o"), "Set driver specific options: type, device and o, as for mount(8)"),
		},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 0, 1); err != nil {
				return err
			}
			if d := c.String("driver"); d != "" && d != "local" {
				return fmt.Errorf("error looking up volume plugin %s: plugin %q not found", d, d)
			}
			l, err := labels(c, nil)
			if err != nil {
				return err
			}
			return createVolume(e, c, l)
		},
	}
}

func createVolume(e *env, c *cli.Context, labels map[string]string) error {
	var options map[string]string
	for _, kv := range c.StringSlice("opt") {
		k, v, _ := strings.Cut(kv, "=") // a name that is not known is refused below, with or without a value
		if options == nil {
			options = map[string]string{}
		}
		options[k] = v
	}
	cs, err := e.containers()
	if err != nil {
		return err
	}
	lock, err := cs.HoldVolumes(c.Context)
	if err != nil {
		return err
	}
	defer lock.Release()
	v, _, err := cs.EnsureVolume(c.Args().First(), labels, options)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, v.Name)
	return nil
}

func volumeListCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "ls", Aliases: []string{"list"}, Usage: "List volumes",
		Flags: append(absent("it is a cluster's", flag("cluster", nil, "")),
			values("filter", short("f"), "Provide filter values"), text("format", nil, "Format output"), flag("quiet", short("q"), "Only display volume names"),
		),
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 0, 0); err != nil {
				return err
			}
			return listVolumes(e, c)
		},
	}
}

func listVolumes(e *env, c *cli.Context) error {
	cs, err := e.containers()
	if err != nil {
		return err
	}
	f, err := parseFilters(c.StringSlice("filter"), "name", "label", "dangling", "driver")
	if err != nil {
		return err
	}
	list, err := filteredVolumes(cs, f)
	if err != nil {
		return err
	}
	rows := make([]*formatter.VolumeContext, len(list))
	for i, v := range list {
		rows[i] = formatter.VolumeRow(docker.Volume(v, cs.DataDir(v.Name)))
	}
	l := formatter.Volumes()
	if err := printList(e, l, listFormat(e, c, l, "volumesFormat"), rows); err != nil {
		return err
	}
	for _, v := range list {
		if v.Damaged != nil {
			tellError(e, v.Damaged)
		}
	}
	return nil
}

// filteredVolumes are those that volume ls shows.
func filteredVolumes(cs *container.Store, f filters) ([]container.Volume, error) {
	dangling, err := f.boolean("dangling")
	if err != nil {
		return nil, err
	}
	list, err := cs.Volumes()
	if err != nil {
		return nil, err
	}
	users, err := cs.AllVolumeUsers()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(v container.Volume) bool {
		switch {
		case !f.labels(v.Labels), !f.like("name", v.Name), !f.any("driver", func(d string) bool { return d == "local" }):
			return true
		case dangling != nil:
			return (len(users(v.Name)) == 0) != *dangling
		}
		return false
	}), nil
}

// volumeUpdateCommand answers for what only volumes of a swarm have.
func volumeUpdateCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "update", Hidden: true, SkipFlagParsing: true,
		Action: func(*cli.Context) error {
			return &exitError{125, cliErrorf("%s: '%s volume update' is not supported: it is for the volumes of a cluster", e.program, e.program)}
		},
	}
}

func volumeInspectCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Display detailed information on one or more volumes", ArgsUsage: "VOLUME [VOLUME...]", Flags: inspectFlags()[:1],
		Action: func(c *cli.Context) error { return runInspect(e, c, "volume") },
	}
}

func volumeRemoveCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "rm", Aliases: []string{"remove"}, Usage: "Remove one or more volumes", ArgsUsage: "VOLUME [VOLUME...]",
		Flags: []cli.Flag{flag("force", short("f"), "Force the removal of one or more volumes")},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			cs, err := e.containers()
			if err != nil {
				return err
			}
			err = each(e, c.Args().Slice(), func(name string) error {
				err := cs.RemoveVolume(name)
				var missing *container.VolumeNotFoundError
				if errors.Is(err, container.ErrNeedsUserNS) || errors.As(err, &missing) && c.Bool("force") {
					return nil
				}
				return err
			})
			return errors.Join(err, sweepTrash(e, cs))
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
			if err := needArgs(e, c, commandPath(c), 0, 0); err != nil {
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
				f["all"], what = []string{"true"}, "all local volumes"
			}
			if ok, err := agreed(e, c, "WARNING! This will remove "+what+" not used by at least one container."); !ok || err != nil {
				return err
			}
			return insideForced(e, func(*overlay.Store) error {
				return pruneAll(e, c, f, pruneVolumes)
			})
		},
	}
}

// pruneVolumes removes the volumes that no container names: the anonymous
// ones, or with the filter all every one. Inside the user namespace, where it
// can measure them.
func pruneVolumes(e *env, _ *cli.Context, f filters) (pruned, error) {
	p := pruned{heading: "Deleted Volumes:"}
	cs, err := e.containers()
	if err != nil {
		return p, err
	}
	list, err := cs.Volumes()
	if err != nil {
		return p, err
	}
	users, err := cs.AllVolumeUsers()
	if err != nil {
		return p, err
	}
	all, err := f.boolean("all")
	if err != nil {
		return p, err
	}
	every := all != nil && *all
	for _, v := range list {
		if ok, err := f.matchesPrune(v.Labels, v.Created); err != nil {
			return p, err
		} else if !ok || v.Damaged != nil || len(users(v.Name)) > 0 || !v.Anonymous && !every {
			continue
		}
		n, _ := cs.VolumeSize(v.Name) // it goes, whatever it holds
		if err := cs.RemoveVolume(v.Name); err != nil && !errors.Is(err, container.ErrNeedsUserNS) {
			tellError(e, err) // a container has taken it meanwhile, perhaps
			continue
		}
		p.lines = append(p.lines, v.Name)
		p.freed += n
	}
	pruneEvent(e, events.Volume, p.freed)
	return p, sweepTrash(e, cs)
}
