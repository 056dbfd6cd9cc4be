// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose"
	"coracle/pkg/container"
)

func cp(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "cp", Usage: "Copy files/folders between a service container and the local filesystem", ArgsUsage: "SERVICE:SRC_PATH DEST_PATH|- | SRC_PATH|- SERVICE:DEST_PATH",
		Flags: []cli.Flag{
			flags.Bool("all", nil, "Include containers created by the run command"),
			flags.Bool("archive", flags.Short("a"), "Archive mode (copy all uid/gid information)"),
			flags.Bool("follow-link", flags.Short("L"), "Always follow symbol link in SRC_PATH"),
			&cli.IntFlag{Name: "index", Usage: "Index of the container if service has multiple replicas"},
		},
		Action: verb(e, 2, 2, runCp),
	}
}

func runCp(ctx context.Context, s *session) error {
	from, src := containercmd.SplitCopy(s.c.Args().First())
	to, dst := containercmd.SplitCopy(s.c.Args().Get(1))
	switch {
	case src == "" && from == "":
		return errors.New("source can not be empty")
	case dst == "" && to == "":
		return errors.New("destination can not be empty")
	case from != "" && to != "":
		return errors.New("copying between services is not supported")
	case from == "" && to == "":
		return errors.New("unknown copy direction")
	}
	has, err := s.there(ctx)
	if err != nil {
		return err
	}
	list, err := s.toCopy(has, from+to)
	switch {
	case err != nil:
		return err
	case from != "":
		list = list[:1]
	case src == "-" && len(list) > 1:
		return errors.New("standard input goes into one container: say which with --index")
	}
	for _, c := range list {
		details := fmt.Sprintf("%s to %s:%s", src, c.Name, dst)
		if from != "" {
			details = fmt.Sprintf("%s:%s to %s", c.Name, src, dst)
		}
		s.show.event(compose.Event{Kind: "Container", Name: c.Name, Status: "Copying " + details})
		q := containercmd.Copy{Name: c.Name, Src: src, Dst: dst, Out: from != "", Follow: s.c.Bool("follow-link"), Owners: s.c.Bool("archive")}
		if _, err := q.Do(ctx, s.Env, container.NewStore(s.engine.Dirs), c); err != nil {
			return err
		}
		s.show.event(compose.Event{Kind: "Container", Name: c.Name, Status: "Copied " + details})
	}
	return nil
}

// toCopy are the containers of a service that cp is about, be they running or not.
func (s *session) toCopy(has compose.Observed, service string) ([]*container.Container, error) {
	list, number := has.Containers(service), s.c.Int("index")
	if s.c.Bool("all") && number == 0 {
		list = has.WithOneoff(service)
	}
	if number > 0 {
		list = slices.DeleteFunc(list, func(c *container.Container) bool { return compose.Number(c) != number })
		if len(list) == 0 {
			return nil, fmt.Errorf("service %q is not running container #%d", service, number)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no container found for service %q", service)
	}
	return list, nil
}
