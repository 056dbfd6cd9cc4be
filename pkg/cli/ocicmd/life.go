// SPDX-License-Identifier: Apache-2.0

package ocicmd

import (
	"errors"

	"github.com/urfave/cli/v2"

	"coracle/pkg/bundle"
)

func (o *runtime) createOptions(c *cli.Context) (bundle.CreateOptions, error) {
	id, err := o.id(c)
	dir := c.String("bundle")
	if dir == "" {
		dir = "."
	}
	return bundle.CreateOptions{
		ID: id, Bundle: dir, PidFile: c.String("pid-file"), ConsoleSocket: c.String("console-socket"),
		Stdin: o.Stdin, Stdout: o.Stdout.File, Stderr: o.Stderr,
	}, err
}

func (o *runtime) create(c *cli.Context, s *bundle.Store) error {
	opts, err := o.createOptions(c)
	if err != nil {
		return err
	}
	return s.Create(opts)
}

func (o *runtime) start(c *cli.Context, s *bundle.Store) error {
	id, err := o.id(c)
	if err != nil {
		return err
	}
	return s.Start(id)
}

func (o *runtime) state(c *cli.Context, s *bundle.Store) error {
	id, err := o.id(c)
	if err != nil {
		return err
	}
	ctr, err := s.Get(id)
	if err != nil {
		return err
	}
	return o.printJSON(ctr.State())
}

func (o *runtime) kill(c *cli.Context, s *bundle.Store) error {
	if c.NArg() < 1 || c.NArg() > 2 {
		return errors.New("kill: a container id and a signal are needed")
	}
	name := "TERM"
	if c.NArg() == 2 {
		name = c.Args().Get(1)
	}
	sig, err := bundle.ParseSignal(name)
	if err != nil {
		return err
	}
	return s.Kill(c.Args().First(), sig)
}

func (o *runtime) delete(c *cli.Context, s *bundle.Store) error {
	id, err := o.id(c)
	if err != nil {
		return err
	}
	return s.Delete(id, c.Bool("force"))
}
