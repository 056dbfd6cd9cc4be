// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"strings"

	"coracle/pkg/cli/command"

	"github.com/urfave/cli/v2"

	"coracle/pkg/docker"
)

// pruneFilters are the filters of a prune of things that have labels and an age.
// Such a command takes no arguments.
func pruneFilters(e *command.Env, c *cli.Context) (docker.Filters, error) {
	if err := command.NeedArgs(e, c, command.CommandPath(c), 0, 0); err != nil {
		return nil, err
	}
	return docker.PruneFilters(c.StringSlice("filter"))
}

// pruned is what a prune has removed: the lines that tell, below their
// heading, and the space, in bytes.
type pruned struct {
	heading string
	lines   []string
	freed   int64
}

// show prints what was removed.
func (p pruned) show(w io.Writer) {
	if len(p.lines) > 0 {
		fmt.Fprintf(w, "%s\n%s\n\n", p.heading, strings.Join(p.lines, "\n"))
	}
}

// pruneAll does one prune and says what it did, and how much it freed.
func pruneAll(e *command.Env, c *cli.Context, f docker.Filters, prune func(*command.Env, *cli.Context, docker.Filters) (pruned, error)) error {
	p, err := prune(e, c, f)
	p.show(e.Stdout)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.Stdout, "Total reclaimed space: %s\n", command.Size(p.freed))
	return nil
}
