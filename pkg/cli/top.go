// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/overlay"
)

func diffCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "diff", Usage: "Inspect changes to files or directories on a container's filesystem", ArgsUsage: "CONTAINER",
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 1, 1); err != nil {
				return err
			}
			cs, err := e.containers()
			if err != nil {
				return err
			}
			ctr, err := cs.Lookup(c.Args().First())
			if err != nil {
				return err
			}
			return e.inside(func(*overlay.Store) error {
				list, err := cs.Diff(ctr)
				for _, ch := range list {
					fmt.Fprintf(e.stdout, "%c %s\n", ch.Kind, ch.Path)
				}
				return err
			})
		},
	}
}

func topCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "top", Usage: "Display the running processes of a container", ArgsUsage: "CONTAINER [ps OPTIONS]",
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 1, -1); err != nil {
				return err
			}
			if opts := strings.Join(c.Args().Tail(), " "); opts != "" && opts != "-ef" {
				return fmt.Errorf("ps options other than -ef are not supported: %s", opts)
			}
			cs, err := e.containers()
			if err != nil {
				return err
			}
			ctr, err := cs.Lookup(c.Args().First())
			if err != nil {
				return err
			}
			list, err := ctr.Processes()
			if err != nil {
				return err
			}
			return e.printTop(list)
		},
	}
}

func (e *env) printTop(list []container.ProcessInfo) error {
	w := tabwriter.NewWriter(e.stdout, 20, 1, 3, ' ', 0)
	fmt.Fprintln(w, "UID\tPID\tPPID\tC\tSTIME\tTTY\tTIME\tCMD")
	now := time.Now()
	for _, p := range list {
		started := p.Started.Local().Format("15:04")
		if now.Sub(p.Started) > 24*time.Hour {
			started = p.Started.Local().Format("Jan02")
		}
		share := 0
		if age := now.Sub(p.Started); age > 0 {
			share = min(int(100*p.CPU/age), 99)
		}
		used := int(p.CPU / time.Second)
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n", p.UID, p.Pid, p.Parent, share, started, terminalName(p.Terminal),
			fmt.Sprintf("%02d:%02d:%02d", used/3600, used/60%60, used%60), clean(p.Command))
	}
	return w.Flush()
}

// terminalName is ps's name for a terminal's device number: pseudo terminals
// have the majors 136 to 143.
func terminalName(dev int) string {
	major, minor := dev>>8&0xfff, dev&0xff|dev>>12&0xfff00
	if major < 136 || major > 143 {
		return "?"
	}
	return "pts/" + strconv.Itoa((major-136)<<8+minor)
}
