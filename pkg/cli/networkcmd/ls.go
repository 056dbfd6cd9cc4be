// SPDX-License-Identifier: Apache-2.0

package networkcmd

import (
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/docker"
	"coracle/pkg/network"
)

// List is the command ls: list networks.
func List(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "ls", Aliases: []string{"list"}, Usage: "List networks",
		Flags: []cli.Flag{
			flags.List("filter", flags.Short("f"), "Provide filter values"), flags.Text("format", nil, "Format output"),
			flags.Bool("no-trunc", nil, "Do not truncate the output"), flags.Bool("quiet", flags.Short("q"), "Only display network IDs"),
		},
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			nets, err := command.Networks(e)
			if err != nil {
				return err
			}
			list, err := nets.List()
			if err != nil {
				return err
			}
			for _, d := range nets.Damaged() {
				command.Tell(e, d)
				list = append(list, d.Network())
			}
			f, err := docker.NetworkFilters(c.StringSlice("filter"))
			if err != nil {
				return err
			}
			used := map[string]bool{}
			if len(f["dangling"]) > 0 {
				cs, err := e.Containers()
				if err != nil {
					return err
				}
				if used, err = cs.UsedNetworks(); err != nil {
					return err
				}
			}
			began, bridge := began(e), network.BridgePlace()
			var rows []*formatter.NetworkContext
			add := func(n *docker.Network, used bool) {
				if f.MatchNetwork(n, used) {
					rows = append(rows, formatter.NetworkRow(n, !c.Bool("no-trunc")))
				}
			}
			for _, name := range network.Predefined() {
				add(docker.PredefinedNetwork(name, bridge, began, nil), true)
			}
			for _, w := range list {
				add(docker.InspectNetwork(w, nil), used[w.Name])
			}
			l := formatter.Networks()
			return command.PrintList(e, l, command.ListFormat(e, c, l, "networksFormat"), rows)
		}),
	}
}

// began is when the engine's directory was made, which the networks that are
// always there are as old as.
func began(e *command.Env) time.Time {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, e.Dirs.Root, 0, unix.STATX_BTIME|unix.STATX_MTIME, &st); err != nil {
		return time.Time{}
	}
	if st.Mask&unix.STATX_BTIME == 0 { // not every file system keeps it
		st.Btime = st.Mtime
	}
	return time.Unix(st.Btime.Sec, int64(st.Btime.Nsec)).UTC()
}
