// SPDX-License-Identifier: Apache-2.0

package ocicmd

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"coracle/pkg/bundle"
	"coracle/pkg/cli/flags"
	"coracle/pkg/oci/spec"
)

func execFlags() []cli.Flag {
	return []cli.Flag{
		flags.Text("process", flags.Short("p"), "File with the process as JSON"),
		flags.Text("pid-file", nil, "File to write the pid to"),
		flags.Text("console-socket", nil, "Socket that gets the master of the terminal"),
		flags.Text("preserve-fds", nil, "Descriptors above the three that are passed on; only 0"),
		flags.Text("cwd", nil, "Working directory"),
		flags.List("env", flags.Short("e"), "Set environment variables"),
		flags.Text("user", flags.Short("u"), "UID[:GID]"),
		flags.List("additional-gids", flags.Short("g"), "Additional groups"),
		flags.List("cap", flags.Short("c"), "Add a capability"),
		flags.Text("cgroup", nil, "Accepted; the process is put into the cgroup of the container"),
		flags.Bool("no-new-privs", nil, "Set no_new_privs"),
		flags.Bool("detach", flags.Short("d"), "Do not wait"),
		flags.Bool("tty", flags.Short("t"), "Allocate a terminal"),
	}
}

func (o *runtime) exec(c *cli.Context, s *bundle.Store) error {
	if c.NArg() < 1 {
		return errors.New("exec: a container id is needed")
	}
	opts := bundle.ExecOptions{
		ID: c.Args().First(), PidFile: c.String("pid-file"), ConsoleSocket: c.String("console-socket"),
		Detach: c.Bool("detach"), Stdin: o.Stdin, Stdout: o.Stdout.File, Stderr: o.Stderr,
		Process: func(first *specs.Process) (*specs.Process, error) {
			if file := c.String("process"); file != "" {
				return bundle.LoadProcess(file)
			}
			return changed(c, first)
		},
	}
	sigs := passedOn(opts.Detach)
	p, err := s.Exec(opts)
	return o.stay(p, err, opts.Detach, sigs)
}

// changed is the container's own process with what the flags change.
func changed(c *cli.Context, first *specs.Process) (*specs.Process, error) {
	if c.NArg() < 2 {
		return nil, errors.New("exec: a command or --process is needed")
	}
	p := *first
	p.Args, p.Terminal, p.ConsoleSize = c.Args().Tail(), c.Bool("tty"), nil
	p.NoNewPrivileges = p.NoNewPrivileges || c.Bool("no-new-privs")
	p.Env = spec.MergeEnv(first.Env, c.StringSlice("env")...)
	if cwd := c.String("cwd"); cwd != "" {
		p.Cwd = cwd
	}
	if user := c.String("user"); user != "" {
		uid, gid, _ := strings.Cut(user, ":")
		ids, err := parseIDs(uid, gid)
		if err != nil {
			return nil, fmt.Errorf("exec: user %q: %w", user, err)
		}
		p.User = specs.User{UID: ids[0], GID: ids[1], Umask: first.User.Umask}
	}
	groups, err := parseIDs(c.StringSlice("additional-gids")...)
	if err != nil {
		return nil, fmt.Errorf("exec: additional groups: %w", err)
	}
	p.User.AdditionalGids = slices.Concat(p.User.AdditionalGids, groups)
	if caps := c.StringSlice("cap"); len(caps) > 0 && p.Capabilities != nil {
		all := *p.Capabilities
		all.Bounding, all.Effective, all.Permitted = slices.Concat(all.Bounding, caps), slices.Concat(all.Effective, caps), slices.Concat(all.Permitted, caps)
		p.Capabilities = &all
	}
	return &p, nil
}

// parseIDs reads ids; an empty one is 0.
func parseIDs(texts ...string) ([]uint32, error) {
	ids := make([]uint32, len(texts))
	for i, t := range texts {
		if t == "" {
			continue
		}
		n, err := strconv.ParseUint(t, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", t)
		}
		ids[i] = uint32(n)
	}
	return ids, nil
}
