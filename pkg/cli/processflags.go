// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"coracle/pkg/cli/command"

	"coracle/pkg/docker"

	"github.com/urfave/cli/v2"
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
	if q.Labels, err = labels(c); err != nil {
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
		list, err := readKeyFile(file, os.LookupEnv)
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

// readKeyFile reads lines of KEY=VALUE, or KEY alone for lookup's value, as
// Docker does: no quotes, no escapes, # only at the beginning of a line.
func readKeyFile(name string, lookup func(string) (string, bool)) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, command.Errorf("%v", err)
	}
	defer f.Close()
	var list []string
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if !utf8.ValidString(line) {
			return nil, command.Errorf("invalid env file (%s): invalid utf8 bytes at line %d: %v", name, n, []byte(line))
		}
		line = strings.TrimLeftFunc(line, unicode.IsSpace)
		if line == "" || line[0] == '#' {
			continue
		}
		key, _, set := strings.Cut(line, "=")
		if strings.ContainsFunc(key, unicode.IsSpace) {
			return nil, command.Errorf("invalid env file (%s): variable '%s' contains whitespaces", name, key)
		}
		if key == "" {
			return nil, command.Errorf("invalid env file (%s): no variable name on line '%s'", name, line)
		}
		if !set {
			v, ok := lookup(key)
			if !ok {
				continue
			}
			line += "=" + v
		}
		list = append(list, line)
	}
	return list, lines.Err()
}

// labels reads --label-file and then --label.
func labels(c *cli.Context) (map[string]string, error) {
	var list []string
	for _, file := range c.StringSlice("label-file") {
		lines, err := readKeyFile(file, func(string) (string, bool) { return "", true })
		if err != nil {
			return nil, err
		}
		list = append(list, lines...)
	}
	all := map[string]string{}
	for _, kv := range append(list, c.StringSlice("label")...) {
		k, v, _ := strings.Cut(kv, "=")
		if k == "" {
			return nil, command.Errorf("invalid label format: %q", kv)
		}
		all[k] = v
	}
	return all, nil
}

// pairs are values of the form KEY=VALUE; bad refuses one that is not.
func pairs(list []string, bad func(kv string) error) (all map[string]string, err error) {
	for _, kv := range list {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, bad(kv)
		}
		if all == nil {
			all = map[string]string{}
		}
		all[k] = v
	}
	return all, nil
}
