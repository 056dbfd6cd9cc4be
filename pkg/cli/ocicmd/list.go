// SPDX-License-Identifier: Apache-2.0

package ocicmd

import (
	"fmt"
	"text/tabwriter"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"coracle/pkg/bundle"
)

// listed is a container as list --format json shows it.
type listed struct {
	specs.State
	Rootfs  string    `json:"rootfs"`
	Created time.Time `json:"created"`
}

func (o *runtime) list(c *cli.Context, s *bundle.Store) error {
	format := c.String("format")
	if format != "" && format != "table" && format != "json" {
		return fmt.Errorf("list: format %q is not known: table or json", format)
	}
	all, err := s.List()
	if err != nil {
		return err
	}
	lines := make([]listed, 0, len(all))
	for _, ctr := range all {
		lines = append(lines, listed{ctr.State(), ctr.Rootfs, ctr.Created})
	}
	switch {
	case c.Bool("quiet"):
		for _, l := range lines {
			fmt.Fprintln(o.Stdout.File, l.ID)
		}
		return nil
	case format == "json":
		return o.printJSON(lines)
	}
	w := tabwriter.NewWriter(o.Stdout.File, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED")
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", l.ID, l.Pid, l.Status, l.Bundle, l.Created.Format(time.RFC3339))
	}
	return w.Flush()
}

func (o *runtime) spec(c *cli.Context, _ *bundle.Store) error {
	dir := c.String("bundle")
	if dir == "" {
		dir = "."
	}
	return bundle.WriteDefault(dir)
}

func (o *runtime) features(*cli.Context, *bundle.Store) error {
	f, err := bundle.Features()
	if err != nil {
		return err
	}
	return o.printJSON(f)
}
