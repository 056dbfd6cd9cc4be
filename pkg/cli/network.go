// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/cli/formatter"
	"coracle/pkg/container"
	"coracle/pkg/container/sandbox"
	"coracle/pkg/docker"
	"coracle/pkg/events"
	"coracle/pkg/slirp"
)

func (e *env) networks() (slirp.Networks, error) {
	d, err := e.open()
	if err != nil {
		return slirp.Networks{}, err
	}
	return slirp.NewNetworks(d), nil
}

func networkListCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "ls", Aliases: []string{"list"}, Usage: "List networks",
		Flags: []cli.Flag{
			values("filter", short("f"), "Provide filter values"), text("format", nil, "Format output"),
			flag("no-trunc", nil, "Do not truncate the output"), flag("quiet", short("q"), "Only display network IDs"),
		},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 0, 0); err != nil {
				return err
			}
			nets, err := e.networks()
			if err != nil {
				return err
			}
			list, err := nets.List()
			if err != nil {
				return err
			}
			for _, d := range nets.Damaged() {
				tellError(e, d)
				list = append(list, d.Network())
			}
			f, err := parseFilters(c.StringSlice("filter"), "name", "id", "label", "driver", "type", "scope", "dangling")
			if err != nil {
				return err
			}
			if err := f.checkNetworks(); err != nil {
				return err
			}
			used := map[string]bool{}
			if len(f["dangling"]) > 0 {
				if used, err = usedNetworks(e); err != nil {
					return err
				}
			}
			began, bridge := began(e), slirp.DefaultConfig()
			var rows []*formatter.NetworkContext
			add := func(n *docker.Network, kind string, used bool) {
				if matchNetwork(f, n, kind) && f.dangling(used) {
					rows = append(rows, formatter.NetworkRow(n, !c.Bool("no-trunc")))
				}
			}
			for _, name := range docker.Predefined() {
				add(docker.PredefinedNetwork(name, bridge, began, nil), "builtin", true)
			}
			for _, w := range list {
				add(docker.InspectNetwork(w, nil), "custom", used[w.Name])
			}
			l := formatter.Networks()
			return printList(e, l, listFormat(e, c, l, "networksFormat"), rows)
		},
	}
}

// began is when the engine's directory was made, which the networks that are
// always there are as old as.
func began(e *env) time.Time {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, e.dirs.Root, 0, unix.STATX_BTIME|unix.STATX_MTIME, &st); err != nil {
		return time.Time{}
	}
	if st.Mask&unix.STATX_BTIME == 0 { // not every file system keeps it
		st.Btime = st.Mtime
	}
	return time.Unix(st.Btime.Sec, int64(st.Btime.Nsec)).UTC()
}

func matchNetwork(f filters, n *docker.Network, kind string) bool {
	is := func(have string) func(string) bool { return func(want string) bool { return want == have } }
	return f.labels(n.Labels) && f.like("name", n.Name) && f.like("id", n.ID) &&
		f.any("driver", is(n.Driver)) && f.any("scope", is(n.Scope)) && f.any("type", is(kind))
}

func networkInspectCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Display detailed information on one or more networks", ArgsUsage: "NETWORK [NETWORK...]",
		Flags:  []cli.Flag{text("format", short("f"), "Format output using a custom template"), flag("verbose", short("v"), "Verbose output for diagnostics")},
		Action: func(c *cli.Context) error { return runInspect(e, c, "network") },
	}
}

func inspectNetwork(ctx context.Context, e *env, arg string) (*docker.Network, error) {
	nets, err := e.networks()
	if err != nil {
		return nil, err
	}
	w, err := nets.Lookup(arg)
	var missing *slirp.NetworkNotFoundError
	for _, name := range docker.Predefined() {
		if arg == name || errors.As(err, &missing) && arg != "" && strings.HasPrefix(docker.PredefinedID(name), arg) {
			cs, err := e.containers()
			if err != nil {
				return nil, err
			}
			list, _ := cs.List() // a damaged one does not run
			return docker.PredefinedNetwork(name, slirp.DefaultConfig(), began(e), list), nil
		}
	}
	if err != nil {
		return nil, err
	}
	members, err := nets.Members(ctx, w)
	return docker.InspectNetwork(w, members), err
}

func networkRemoveCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "rm", Aliases: []string{"remove"}, Usage: "Remove one or more networks", ArgsUsage: "NETWORK [NETWORK...]",
		Flags: []cli.Flag{flag("force", short("f"), "Do not error if the network does not exist")},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			nets, err := e.networks()
			if err != nil {
				return err
			}
			args := c.Args().Slice()
			if c.Bool("force") { // who is not there is not named, either
				args = slices.DeleteFunc(args, func(arg string) bool {
					_, err := nets.Lookup(arg)
					var missing *slirp.NetworkNotFoundError
					return errors.As(err, &missing) && !slices.Contains(docker.Predefined(), arg)
				})
			}
			return each(e, args, func(arg string) error {
				for _, p := range docker.Predefined() {
					if arg == p {
						return fmt.Errorf("%s is a pre-defined network and cannot be removed", arg)
					}
				}
				w, err := nets.Lookup(arg)
				var damaged *slirp.DamagedNetworkError
				if errors.As(err, &damaged) {
					w, err = damaged.Network(), nil
				}
				if err != nil {
					return err
				}
				if err := nets.Remove(c.Context, w); err != nil {
					return err
				}
				event(e, events.Network, "destroy", w.ID, w.Name)
				return nil
			})
		},
	}
}

func networkPruneCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove all unused networks",
		Flags: []cli.Flag{flag("force", short("f"), "Do not prompt for confirmation"), values("filter", nil, "Provide filter values")},
		Action: func(c *cli.Context) error {
			f, err := pruneFilters(e, c)
			if err != nil {
				return err
			}
			if ok, err := agreed(e, c, "WARNING! This will remove all custom networks not used by at least one container."); !ok || err != nil {
				return err
			}
			p, err := pruneNetworks(e, c, f)
			p.show(e.stdout)
			return err
		},
	}
}

// usedNetworks are those that a running container names.
func usedNetworks(e *env) (map[string]bool, error) {
	cs, err := e.containers()
	if err != nil {
		return nil, err
	}
	list, err := cs.Readable()
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, ctr := range list {
		if !ctr.State.IsRunning() {
			continue // as in Docker: it is on no network before it is started
		}
		for _, end := range ctr.Net.Networks {
			used[end.Network] = true
		}
	}
	return used, nil
}

// pruneNetworks removes the networks that nobody is on.
func pruneNetworks(e *env, c *cli.Context, f filters) (pruned, error) {
	p := pruned{heading: "Deleted Networks:"}
	nets, err := e.networks()
	if err != nil {
		return p, err
	}
	list, err := nets.List()
	if err != nil {
		return p, err
	}
	used, err := usedNetworks(e)
	if err != nil {
		return p, err
	}
	for _, w := range list {
		if ok, err := f.matchesPrune(w.Labels, w.Created); err != nil {
			return p, err
		} else if used[w.Name] || !ok {
			continue
		}
		err := nets.Remove(c.Context, w)
		var inUse *slirp.NetworkInUseError
		if errors.As(err, &inUse) {
			continue // by a container that has just started
		}
		if err != nil {
			return p, err
		}
		event(e, events.Network, "destroy", w.ID, w.Name)
		p.lines = append(p.lines, w.Name)
	}
	pruneEvent(e, events.Network, 0)
	return p, nil
}

func networkConnectCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "connect", Usage: "Connect a container to a network", ArgsUsage: "NETWORK CONTAINER",
		Flags: append(absent("links were replaced by names on networks", values("link", nil, "")),
			values("alias", nil, "Add network-scoped alias for the container"),
			values("driver-opt", nil, "driver options for the network"),
			&cli.IntFlag{Name: "gw-priority", Usage: "Highest gw-priority provides the default gateway. Accepts positive and negative values"},
			text("ip", nil, "IPv4 address (e.g., \"172.30.100.104\")"), text("ip6", nil, "IPv6 address (e.g., \"2001:db8::33\")"),
			values("link-local-ip", nil, "Add a link-local address for the container"),
		),
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 2, 2); err != nil {
				return err
			}
			p := netPlace{name: c.Args().First(), aliases: c.StringSlice("alias"), driverOpts: c.StringSlice("driver-opt"), gwPriority: c.Int("gw-priority")}
			if err := p.takeFlags(c); err != nil {
				return err
			}
			return onNetwork(e, c, func(cs *container.Store, ctr *container.Container, network string) error {
				p.name = network
				if err := checkPlace(e, p); err != nil {
					return err
				}
				return cs.Connect(c.Context, ctr, p.endpoint(network))
			})
		},
	}
}

func networkDisconnectCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "disconnect", Usage: "Disconnect a container from a network", ArgsUsage: "NETWORK CONTAINER",
		Flags: []cli.Flag{flag("force", short("f"), "Accepted for scripts")},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 2, 2); err != nil {
				return err
			}
			return onNetwork(e, c, func(cs *container.Store, ctr *container.Container, network string) error {
				return cs.Disconnect(c.Context, ctr, network)
			})
		},
	}
}

// onNetwork finds the network and the container that two arguments name.
func onNetwork(e *env, c *cli.Context, f func(*container.Store, *container.Container, string) error) error {
	network := c.Args().First()
	switch network {
	case sandbox.NetBridge:
	case sandbox.NetHost:
		return errors.New("container cannot be disconnected from host network or connected to host network")
	case sandbox.NetNone:
		return errors.New("container cannot be connected to multiple networks with one of the networks in private (none) mode")
	default:
		nets, err := e.networks()
		if err != nil {
			return err
		}
		w, err := nets.Lookup(network)
		if err != nil {
			return err
		}
		network = w.Name
	}
	cs, ctr, err := e.container(c.Args().Get(1))
	if err != nil {
		return err
	}
	return f(cs, ctr, network)
}
