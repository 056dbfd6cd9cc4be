// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
)

func scale(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "scale", Usage: "Scale services", ArgsUsage: "[SERVICE=REPLICAS...]",
		Flags:  []cli.Flag{flags.Bool("no-deps", nil, "Don't start linked services")},
		Action: verb(e, 1, -1, runScale),
	}
}

func runScale(ctx context.Context, s *session) error {
	var services []string
	for _, arg := range s.c.Args().Slice() {
		name, number, ok := strings.Cut(arg, "=")
		if !ok || name == "" || number == "" {
			return fmt.Errorf("invalid scale specifier: %s", arg)
		}
		if _, err := strconv.Atoi(number); err != nil {
			return fmt.Errorf("invalid scale specifier: can't parse replica value as int: %v", arg)
		}
		services = append(services, name)
	}
	c, err := s.upChoices()
	if err != nil {
		return err
	}
	c.Services = services
	p, err := s.project(ctx, services, s.c.Bool("no-deps"))
	if err != nil {
		return err
	}
	if err := setScale(p, s.c.Args().Slice()); err != nil {
		return err
	}
	c.Start = true
	has, err := s.engine.Create(ctx, p, c)
	s.show.close()
	if err != nil {
		return err
	}
	return s.engine.Start(ctx, p, has, s.engine.NewWatch(ctx), nil)
}
