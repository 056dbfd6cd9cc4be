// SPDX-License-Identifier: Apache-2.0

package ocicmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/bundle"
	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/state"
)

// Command is coracle as an OCI runtime; see package bundle. Errors are one
// line, and one record of the log that an engine asks for.
func Command(e *command.Env) *cli.Command {
	o := &runtime{e}
	act := func(f func(*cli.Context, *bundle.Store) error) cli.ActionFunc {
		return func(c *cli.Context) error {
			s, err := o.store(c)
			if err == nil {
				err = f(c, s)
			}
			return o.told(c, err)
		}
	}
	create := []cli.Flag{
		flags.Text("bundle", flags.Short("b"), "Directory of the bundle"),
		flags.Text("pid-file", nil, "File to write the pid to"),
		flags.Text("console-socket", nil, "Socket that gets the master of the terminal"),
		flags.Text("preserve-fds", nil, "Descriptors above the three that are passed on; only 0"),
		flags.Bool("no-pivot", nil, "Accepted; the root is always changed by pivot_root"),
		flags.Bool("no-new-keyring", nil, "Accepted; a container always has a keyring of its own"),
	}
	return &cli.Command{
		Name: "oci", Hidden: true, Usage: "Run OCI bundles for other engines",
		Flags: []cli.Flag{
			flags.Text("root", nil, "Directory of the containers' state"),
			flags.Text("log", nil, "File for errors and warnings"),
			flags.Text("log-format", nil, "text or json"),
			flags.Text("log-level", nil, "Accepted"),
			flags.Text("cgroup-manager", nil, "Accepted; containers are put where cgroups are delegated to the user"),
			flags.Text("rootless", nil, "Accepted; it always is"),
			flags.Bool("systemd-cgroup", nil, "Accepted; containers are put where cgroups are delegated to the user"),
			flags.Bool("debug", nil, "Accepted"),
		},
		Subcommands: []*cli.Command{
			{Name: "create", ArgsUsage: "ID", Usage: "Set a container up", Flags: create, Action: act(o.create)},
			{Name: "start", ArgsUsage: "ID", Usage: "Start a container that was set up", Action: act(o.start)},
			{Name: "state", ArgsUsage: "ID", Usage: "Print the state of a container", Action: act(o.state)},
			{Name: "kill", ArgsUsage: "ID [SIGNAL]", Usage: "Send a signal to a container", Flags: []cli.Flag{
				flags.Bool("all", flags.Short("a"), "Accepted; what is in a pid namespace ends with its first process"),
			}, Action: act(o.kill)},
			{Name: "delete", ArgsUsage: "ID", Usage: "Delete a container", Flags: []cli.Flag{
				flags.Bool("force", flags.Short("f"), "Kill it first if it runs"),
			}, Action: act(o.delete)},
			{Name: "run", ArgsUsage: "ID", Usage: "Create, start, wait for and delete a container", Flags: append([]cli.Flag{
				flags.Bool("detach", flags.Short("d"), "Do not wait"),
			}, create...), Action: act(o.run)},
			{Name: "exec", ArgsUsage: "ID COMMAND [ARG...]", Usage: "Run another process in a container", Flags: execFlags(), Action: act(o.exec)},
			{Name: "spec", Usage: "Write a config.json", Flags: []cli.Flag{
				flags.Text("bundle", flags.Short("b"), "Directory of the bundle"),
				flags.Bool("rootless", nil, "Accepted; it always is"),
			}, Action: act(o.spec)},
			{Name: "list", Usage: "List containers", Flags: []cli.Flag{
				flags.Bool("quiet", flags.Short("q"), "Only their ids"),
				flags.Text("format", flags.Short("f"), "table or json"),
			}, Action: act(o.list)},
			{Name: "features", Usage: "Print what this runtime can do", Action: act(o.features)},
		},
	}
}

// runtime is what an engine calls: one method a verb, of the command line of runc.
type runtime struct{ *command.Env }

func (o *runtime) store(c *cli.Context) (*bundle.Store, error) {
	if n := c.String("preserve-fds"); n != "" && n != "0" {
		return nil, fmt.Errorf("--preserve-fds %s: not supported", n)
	}
	root := globalFlag(c, "root")
	if root == "" {
		var err error
		if root, err = state.OCI(); err != nil {
			return nil, err
		}
	}
	return bundle.Open(root, func(message string) { o.log(c, "warning", message) })
}

// globalFlag is the value of a flag of oci itself: the program has some of the
// same names.
func globalFlag(c *cli.Context, name string) string {
	for _, l := range c.Lineage() {
		if l.Command != nil && l.Command.Name == "oci" {
			return l.String(name)
		}
	}
	return ""
}

// log tells something to the engine's log, or to the caller without one: its
// standard error may be the container's.
func (o *runtime) log(c *cli.Context, level, message string) {
	path := globalFlag(c, "log")
	if path == "" {
		if level == "warning" {
			fmt.Fprintln(o.Stderr, "Warning: "+message)
		}
		return
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	now := time.Now().UTC().Format(time.RFC3339Nano)
	if globalFlag(c, "log-format") != "json" {
		fmt.Fprintf(f, "time=%q level=%s msg=%q\n", now, level, message)
		return
	}
	_ = json.NewEncoder(f).Encode(map[string]string{"level": level, "msg": message, "time": now})
}

// told leaves a word about err in the log.
func (o *runtime) told(c *cli.Context, err error) error {
	var code *command.ExitError
	if err != nil && !errors.As(err, &code) {
		o.log(c, "error", err.Error())
	}
	return err
}

// id is the only argument.
func (o *runtime) id(c *cli.Context) (string, error) {
	if c.NArg() != 1 {
		return "", fmt.Errorf("%s: one container id is needed", c.Command.Name)
	}
	return c.Args().First(), nil
}

func (o *runtime) printJSON(v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(o.Stdout.File, string(data))
	return err
}
