// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"coracle/pkg/box"
	"coracle/pkg/container"
	"coracle/pkg/oci/spec"
)

func setProcess(e *env, c *cli.Context, r *container.Record, entrypoint, imageCmd, imageEnv []string, cwd, user string, cmd []string) error {
	p := &r.Process
	p.Entrypoint, p.Cmd = entrypoint, imageCmd
	if len(cmd) > 0 {
		p.Cmd = cmd
	}
	if c.IsSet("entrypoint") {
		p.Entrypoint, p.Cmd = nil, cmd
		if ep := c.String("entrypoint"); ep != "" {
			p.Entrypoint = []string{ep}
		}
	}
	if len(p.Args()) == 0 {
		return fmt.Errorf("no command specified")
	}
	vars, err := environment(c)
	if err != nil {
		return err
	}
	if c.Bool("env-host") {
		vars = append(os.Environ(), vars...)
	}
	p.Env = spec.MergeEnv(spec.MergeEnv(imageEnv, c.StringSlice("unsetenv")...), vars...)
	p.Cwd, p.User = cwd, user
	if w := c.String("workdir"); w != "" {
		p.Cwd = w
	}
	if p.Cwd == "" {
		p.Cwd = "/"
	}
	if !path.IsAbs(p.Cwd) {
		return fmt.Errorf("the working directory '%s' is invalid, it needs to be an absolute path", p.Cwd)
	}
	if u := c.String("user"); u != "" {
		p.User = u
	}
	if p.Umask, err = umask(c.String("umask")); err != nil {
		return err
	}
	p.GroupAdd = c.StringSlice("group-add")
	if c.String("uts") == "host" && (c.String("hostname") != "" || c.String("domainname") != "") {
		return cliErrorf("conflicting options: hostname and the UTS mode")
	}
	p.Hostname, p.Domainname = c.String("hostname"), c.String("domainname")
	if len(p.Hostname) > 64 || strings.ContainsFunc(p.Hostname, unicode.IsControl) {
		return fmt.Errorf("invalid hostname: %s", p.Hostname)
	}
	if len(p.Domainname) > 64 || strings.ContainsFunc(p.Domainname, unicode.IsControl) {
		return fmt.Errorf("invalid domainname: %s", p.Domainname)
	}
	if p.Hostname == "" {
		p.Hostname = r.ID[:12]
		if c.String("uts") == "host" || hostNetwork(c) {
			if p.Hostname, err = os.Hostname(); err != nil {
				return err
			}
		}
	}
	p.Tty, p.OpenStdin = c.Bool("tty"), c.Bool("interactive")
	return setAttach(c, p)
}

// hostNetwork reports whether the container's network is the host's.
func hostNetwork(c *cli.Context) bool {
	list := c.StringSlice("network")
	return len(list) > 0 && (list[0] == box.NetHost || list[0] == "name="+box.NetHost)
}

// umask reads an octal file mode creation mask, or none.
func umask(v string) (*uint32, error) {
	if v == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(v, 8, 32)
	if err != nil || n > 0o777 {
		return nil, badFlag("umask", v, fmt.Errorf("invalid umask"))
	}
	mask := uint32(n)
	return &mask, nil
}

// setAttach reads -a; without it a foreground container is attached to its
// output, and to its input when that is open.
func setAttach(c *cli.Context, p *container.Process) error {
	list := c.StringSlice("attach")
	for _, a := range list {
		switch strings.ToLower(a) {
		case "stdin":
			p.AttachStdin = true
		case "stdout":
			p.AttachStdout = true
		case "stderr":
			p.AttachStderr = true
		default:
			return &exitError{125, cliErrorf("invalid argument %q for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR", a)}
		}
	}
	if c.Bool("detach") {
		if len(list) > 0 {
			return &exitError{1, cliErrorf("conflicting options: cannot specify both --attach and --detach")}
		}
		return nil
	}
	if len(list) == 0 {
		p.AttachStdin, p.AttachStdout, p.AttachStderr = p.OpenStdin, true, true
	}
	p.StdinOnce = p.OpenStdin && p.AttachStdin
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
			return nil, cliErrorf("invalid environment variable: %s", kv)
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
		return nil, &cliError{err.Error()}
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
			return nil, cliErrorf("invalid env file (%s): invalid utf8 bytes at line %d: %v", name, n, []byte(line))
		}
		line = strings.TrimLeftFunc(line, unicode.IsSpace)
		if line == "" || line[0] == '#' {
			continue
		}
		key, _, set := strings.Cut(line, "=")
		if strings.ContainsFunc(key, unicode.IsSpace) {
			return nil, cliErrorf("invalid env file (%s): variable '%s' contains whitespaces", name, key)
		}
		if key == "" {
			return nil, cliErrorf("invalid env file (%s): no variable name on line '%s'", name, line)
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

func labels(c *cli.Context, base map[string]string) (map[string]string, error) {
	all := map[string]string{}
	for k, v := range base {
		all[k] = v
	}
	var list []string
	for _, file := range c.StringSlice("label-file") {
		lines, err := readKeyFile(file, func(string) (string, bool) { return "", true })
		if err != nil {
			return nil, err
		}
		list = append(list, lines...)
	}
	for _, kv := range append(list, c.StringSlice("label")...) {
		k, v, _ := strings.Cut(kv, "=")
		if k == "" {
			return nil, cliErrorf("invalid label format: %q", kv)
		}
		all[k] = v
	}
	return all, nil
}
