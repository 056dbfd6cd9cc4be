// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	moby "github.com/moby/moby/api/types/container"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
)

func port(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "port", Usage: "List port mappings or print the public port for a specific mapping for the service", ArgsUsage: "SERVICE [PRIVATE_PORT]",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "index", Usage: "Index of the container if service has multiple replicas"},
			flags.Text("protocol", nil, "tcp or udp (tcp where a port is named)"),
		},
		Action: verb(e, 1, 2, runPort),
	}
}

func runPort(ctx context.Context, s *session) error {
	number, proto := uint64(0), strings.ToLower(s.c.String("protocol"))
	if text := s.c.Args().Get(1); text != "" {
		var err error
		if number, err = strconv.ParseUint(text, 10, 16); err != nil {
			return err
		}
		if proto == "" {
			proto = "tcp"
		}
	}
	_, name, err := s.projectOrName(ctx)
	if err != nil {
		return err
	}
	c, err := s.one(name, s.c.Args().First(), s.c.Int("index"))
	if err != nil {
		return err
	}
	all := docker.PortSummaries(c)
	list := slices.DeleteFunc(slices.Clone(all), func(p moby.PortSummary) bool {
		return proto != "" && p.Type != proto || number != 0 && uint64(p.PrivatePort) != number
	})
	switch {
	case number == 0:
		for _, p := range list {
			fmt.Fprintf(s.Stdout, "%d/%s -> %s\n", p.PrivatePort, p.Type, docker.HostPort(p))
		}
	case len(list) == 0:
		var there []string
		for _, p := range all {
			there = append(there, fmt.Sprintf("%d/%s", p.PrivatePort, p.Type))
		}
		return command.Errorf("no port %d/%s for container %s: %s", number, proto, c.Name, strings.Join(there, ", "))
	default:
		fmt.Fprintln(s.Stdout, docker.HostPort(list[0]))
	}
	return nil
}
