// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"errors"
	"fmt"
	"strings"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/overlay"
)

// run is RUN.
func (s *Solver) run(op plan.Run, told *Report) (step, error) {
	m := &mounts{Solver: s}
	digests, err := m.find(op.Mounts)
	if err != nil {
		return step{}, err
	}
	return step{files: digests, make: func(d *overlay.Dir, lowers []string) error {
		defer m.close()
		list, secrets, err := m.open(op)
		if err != nil {
			return err
		}
		d.Maker = &overlay.Maker{}
		err = s.Runner.Run(s.Ctx, Step{
			Lowers: lowers, Upper: d.Upper, Work: d.Work, Args: op.Args, Env: append(op.Env[:len(op.Env):len(op.Env)], secrets...),
			Dir: op.Dir, User: op.User, Network: op.Network, AddHosts: s.AddHosts, ShmSize: s.ShmSize,
			Mounts: list, Stdout: told, Stderr: told, Maker: d.Maker,
		})
		var exit *ExitError
		if errors.As(err, &exit) {
			return fmt.Errorf("process %q did not complete successfully: %w", strings.Join(op.Args, " "), err)
		}
		if err == nil && m.changed {
			return files.ErrChanged
		}
		return err
	}}, nil
}
