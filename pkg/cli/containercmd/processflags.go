// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/docker"
)

// askProcess takes what is run, by whom, and what is attached to it.
func askProcess(c *cli.Context, q *docker.CreateRequest) (err error) {
	q.Cmd = c.Args().Tail()
	if c.IsSet("entrypoint") {
		q.Entrypoint = []string{c.String("entrypoint")}
	}
	vars, err := environment(c)
	if err != nil {
		return err
	}
	q.Env = c.StringSlice("unsetenv")
	if c.Bool("env-host") {
		q.Env = append(q.Env, os.Environ()...)
	}
	q.Env = append(q.Env, vars...)
	q.WorkingDir, q.User, q.Hostname, q.Domainname = c.String("workdir"), c.String("user"), c.String("hostname"), c.String("domainname")
	q.HostConfig.GroupAdd, q.Tty, q.OpenStdin = c.StringSlice("group-add"), c.Bool("tty"), c.Bool("interactive")
	if v := c.String("umask"); v != "" {
		n, _ := strconv.ParseUint(v, 8, 32) // checkUmask has seen it
		mask := uint32(n)
		q.HostConfig.Umask = &mask
	}
	if q.Labels, err = command.Labels(c); err != nil {
		return err
	}
	return askAttach(c, q)
}

// askAttach reads -a; without it a foreground container is attached to its
// output, and to its input when that is open.
func askAttach(c *cli.Context, q *docker.CreateRequest) error {
	list := c.StringSlice("attach")
	for _, a := range list { // checkStream has seen them
		switch strings.ToLower(a) {
		case "stdin":
			q.AttachStdin = true
		case "stdout":
			q.AttachStdout = true
		case "stderr":
			q.AttachStderr = true
		}
	}
	if c.Bool("detach") {
		if len(list) > 0 {
			return command.ExitWith(1, command.Errorf("conflicting options: cannot specify both --attach and --detach"))
		}
		return nil
	}
	if len(list) == 0 {
		q.AttachStdin, q.AttachStdout, q.AttachStderr = q.OpenStdin, true, true
	}
	q.StdinOnce = q.OpenStdin && q.AttachStdin
	return nil
}

// environment reads --env-file and then -e.
func environment(c *cli.Context) ([]string, error) {
	var all []string
	for _, file := range c.StringSlice("env-file") {
		list, err := command.ReadKeyFile(file, os.LookupEnv)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	for _, kv := range c.StringSlice("env") {
		name, _, set := strings.Cut(kv, "=")
		if name == "" {
			return nil, command.Errorf("invalid environment variable: %s", kv)
		}
		if !set {
			v, ok := os.LookupEnv(name)
			if ok {
				kv += "=" + v
			}
		}
		all = append(all, kv)
	}
	return all, nil
}
