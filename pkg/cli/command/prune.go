// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/docker"
)

// PruneFilters are the filters of a prune of things that have labels and an age.
// Such a command takes no arguments.
func PruneFilters(e *Env, c *cli.Context) (docker.Filters, error) {
	if err := NeedArgs(e, c, 0, 0); err != nil {
		return nil, err
	}
	return docker.PruneFilters(c.StringSlice("filter"))
}

// Pruned is what a prune has removed: the lines that tell, below their
// heading, and the space, in bytes.
type Pruned struct {
	Heading string
	Lines   []string
	Freed   int64
}

// Show prints what was removed.
func (p Pruned) Show(w io.Writer) {
	if len(p.Lines) > 0 {
		fmt.Fprintf(w, "%s\n%s\n\n", p.Heading, strings.Join(p.Lines, "\n"))
	}
}

// PruneAll does one prune and says what it did, and how much it freed.
func PruneAll(e *Env, c *cli.Context, f docker.Filters, prune func(*Env, *cli.Context, docker.Filters) (Pruned, error)) error {
	p, err := prune(e, c, f)
	p.Show(e.Stdout)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.Stdout, "Total reclaimed space: %s\n", Size(p.Freed))
	return nil
}
