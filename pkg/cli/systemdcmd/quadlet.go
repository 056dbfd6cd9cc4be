// SPDX-License-Identifier: Apache-2.0

package systemdcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/quadlet"
	"coracle/pkg/systemd"
)

// Quadlet is the group quadlet: services of files that describe containers.
func Quadlet(e *command.Env) *cli.Command {
	return &cli.Command{Name: "quadlet", Usage: "Make services of files that describe containers (podman-systemd.unit(5))", Subcommands: []*cli.Command{
		{
			Name: "list", Aliases: []string{"ls"}, Usage: "List the files, their services, and what cannot be done", ArgsUsage: "[PATH...]",
			Action: command.Takes(e, 0, -1, listQuadlets),
		},
		{
			Name: "print", Usage: "Print the services that install would write", ArgsUsage: "[PATH...]", Aliases: []string{"dryrun"},
			Action: command.Takes(e, 0, -1, printQuadlets),
		},
		{
			Name: "install", Usage: "Write and enable the services of the files in ~/.config/containers/systemd, or of those given", ArgsUsage: "[PATH...]",
			Flags: []cli.Flag{flags.Bool("dryrun", nil, "Print the services, and write nothing")},
			Action: command.Takes(e, 0, -1, func(e *command.Env, c *cli.Context) error {
				if c.Bool("dryrun") {
					return printQuadlets(e, c)
				}
				return installQuadlets(e, c)
			}),
		},
		{
			Name: "uninstall", Usage: "Remove the services of files; the files stay", Aliases: []string{"rm"}, ArgsUsage: "SERVICE|PATH [SERVICE|PATH...]",
			Action: command.Takes(e, 1, -1, uninstallQuadlets),
		},
	}}
}

// results are what becomes of the files that a command is about. Files that are
// named may refer to those in the user's directory. What could not be read was said.
func results(e *command.Env, paths []string) (list []quadlet.Result, whole bool, err error) {
	own, err := quadlet.UserDir()
	if err != nil {
		return nil, false, err
	}
	p, err := ownProgram(e)
	if err != nil {
		return nil, false, err
	}
	given := len(paths) > 0
	if _, serr := os.Stat(own); !given || serr == nil {
		paths = append(paths[:len(paths):len(paths)], own)
	}
	files, bad := quadlet.Load(paths)
	for _, err := range bad {
		if !given && errors.Is(err, fs.ErrNotExist) {
			return nil, false, fmt.Errorf("no files: %s is not there", own)
		}
		command.Tell(e, err)
	}
	o := quadlet.Options{Program: p.words(), Exists: func(path string) bool { _, err := os.Stat(path); return err == nil }}
	list = quadlet.Convert(files, o)
	if given {
		list = ofPaths(list, paths[:len(paths)-1], own)
	}
	return list, len(bad) == 0, nil
}

// ofPaths leaves out what is there only to be referred to.
func ofPaths(list []quadlet.Result, paths []string, own string) []quadlet.Result {
	var asked []quadlet.Result
	for _, r := range list {
		inOwn, _ := filepath.Rel(own, r.Source)
		named := !filepath.IsLocal(inOwn)
		for _, p := range paths {
			abs, _ := filepath.Abs(p)
			rel, err := filepath.Rel(abs, r.Source)
			named = named || err == nil && filepath.IsLocal(rel)
		}
		if named {
			asked = append(asked, r)
		}
	}
	return asked
}

// tell says what cannot be done with a file, and what has no effect. It reports
// whether there is a service.
func tell(e *command.Env, r quadlet.Result) bool {
	for _, n := range r.Notes {
		fmt.Fprintf(e.Stderr, "%s: %s\n", r.Source, n)
	}
	if r.Err != nil {
		command.Tell(e, fmt.Errorf("%s: %w", r.Source, r.Err))
	}
	return r.Err == nil
}

func failed(whole bool) error {
	if whole {
		return nil
	}
	return command.Exit(1)
}

func listQuadlets(e *command.Env, c *cli.Context) error {
	list, whole, err := results(e, c.Args().Slice())
	if err != nil {
		return err
	}
	dir, err := systemd.UserDir()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.Stdout, 10, 1, 3, ' ', 0)
	fmt.Fprintln(w, "NAME\tSERVICE\tSTATUS\tPATH")
	for _, r := range list {
		status := "not installed"
		if r.Err != nil {
			status = "refused"
		} else if _, err := dir.Read(r.Service); err == nil {
			if status = systemd.ActiveState(c.Context, r.Service); status == "" {
				status = "installed"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", filepath.Base(r.Source), r.Service, status, r.Source)
	}
	w.Flush()
	for _, r := range list {
		whole = tell(e, r) && whole
	}
	return failed(whole)
}

func printQuadlets(e *command.Env, c *cli.Context) error {
	list, whole, err := results(e, c.Args().Slice())
	if err != nil {
		return err
	}
	for _, r := range list {
		if !tell(e, r) {
			whole = false
			continue
		}
		fmt.Fprintf(e.Stdout, "---%s---\n%s\n", r.Service, r.Unit)
	}
	return failed(whole)
}

func installQuadlets(e *command.Env, c *cli.Context) error {
	list, whole, err := results(e, c.Args().Slice())
	if err != nil {
		return err
	}
	dir, err := systemd.UserDir()
	if err != nil {
		return err
	}
	for _, r := range list {
		if !tell(e, r) {
			whole = false
			continue
		}
		if err := dir.Install(r.Service, r.Unit); err != nil {
			command.Tell(e, err)
			whole = false
			continue
		}
		fmt.Fprintln(e.Stdout, filepath.Join(string(dir), r.Service))
	}
	reload(c.Context, e)
	sayLingering(e)
	return failed(whole)
}

func uninstallQuadlets(e *command.Env, c *cli.Context) error {
	dir, err := systemd.UserDir()
	if err != nil {
		return err
	}
	names, err := dir.Units()
	if err != nil {
		return err
	}
	of := map[string]string{} // services, by the names of their files
	for _, n := range names {
		if u, err := dir.Read(n); err == nil {
			of[filepath.Base(u.Section("Unit").Last("SourcePath"))] = n
		}
	}
	err = command.Each(e, c.Args().Slice(), func(arg string) error {
		service := filepath.Base(arg)
		if n := of[service]; n != "" {
			service = n
		}
		if filepath.Ext(service) == "" {
			service += ".service"
		}
		err := dir.Remove(service)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("no service %s was written", service)
		}
		if state := systemd.ActiveState(c.Context, service); err == nil && (state == "active" || state == "activating") {
			fmt.Fprintf(e.Stderr, "it still runs: systemctl --user stop %s\n", service)
		}
		return err
	})
	reload(c.Context, e)
	return err
}
