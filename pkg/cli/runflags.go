// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/container/sandbox"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
	"coracle/pkg/slirp"
)

// createFlags are the options of run and create.
func createFlags() []cli.Flag {
	return []cli.Flag{
		values("add-host", nil, "Add a custom host-to-IP mapping (host:ip)"),
		values("attach", short("a"), "Attach to STDIN, STDOUT or STDERR"),
		values("cap-add", nil, "Add Linux capabilities"),
		values("cap-drop", nil, "Drop Linux capabilities"),
		text("cidfile", nil, "Write the container ID to the file"),
		values("dns", nil, "Set custom DNS servers"),
		values("dns-option", nil, "Set DNS options"),
		values("dns-search", nil, "Set custom DNS search domains"),
		text("domainname", nil, "Container NIS domain name"),
		text("entrypoint", nil, "Overwrite the default ENTRYPOINT of the image"),
		values("env", short("e"), "Set environment variables"),
		values("env-file", nil, "Read in a file of environment variables"),
		values("expose", nil, "Expose a port or a range of ports"),
		values("group-add", nil, "Add additional groups to join"),
		text("hostname", short("h"), "Container host name"),
		flag("interactive", short("i"), "Keep STDIN open even if not attached"),
		text("ipc", nil, "IPC mode to use: private or host"),
		values("label", short("l"), "Set meta data on a container"),
		values("label-file", nil, "Read in a line delimited file of labels"),
		text("log-driver", nil, "Logging driver for the container: json-file or none"),
		values("log-opt", nil, "Log driver options"),
		values("mount", nil, "Attach a filesystem mount to the container"),
		text("name", nil, "Assign a name to the container"),
		values("network-alias", []string{"net-alias"}, "Add network-scoped alias for the container"),
		text("ip", nil, "IPv4 address (e.g., 172.30.100.104)"),
		values("network", []string{"net"}, "Connect a container to a network: bridge, host, none, or one that was created"),
		&cli.IntFlag{Name: "oom-score-adj", Usage: "Tune host's OOM preferences (-1000 to 1000)"},
		text("pid", nil, "PID namespace to use: private or host"),
		text("platform", nil, "Set platform if server is multi-platform capable"),
		flag("privileged", nil, "Give extended privileges to this container"),
		values("publish", short("p"), "Publish a container's port(s) to the host"),
		flag("publish-all", short("P"), "Publish all exposed ports to random ports"),
		&cli.StringFlag{Name: "pull", Usage: "Pull image before running (always, missing, never)", Value: "missing"},
		flag("quiet", short("q"), "Suppress the pull output"),
		flag("read-only", nil, "Mount the container's root filesystem as read only"),
		&cli.StringFlag{Name: "restart", Usage: "Restart policy to apply when a container exits", Value: "no"},
		flag("rm", nil, "Automatically remove the container and its anonymous volumes when it exits"),
		values("security-opt", nil, "Security options"),
		text("shm-size", nil, "Size of /dev/shm"),
		text("stop-signal", nil, "Signal to stop the container"),
		&cli.IntFlag{Name: "stop-timeout", Usage: "Timeout (in seconds) to stop a container"},
		values("sysctl", nil, "Sysctl options"),
		values("tmpfs", nil, "Mount a tmpfs directory"),
		flag("tty", short("t"), "Allocate a pseudo-TTY"),
		values("ulimit", nil, "Ulimit options"),
		text("user", short("u"), "Username or UID (format: <name|uid>[:<group|gid>])"),
		text("userns", nil, "User namespace to use: host is accepted, for that is what a container has"),
		text("uts", nil, "UTS namespace to use: host"),
		values("volume", short("v"), "Bind mount a volume"),
		values("volumes-from", nil, "Mount volumes from the specified container(s)"),
		text("workdir", short("w"), "Working directory inside the container"),
	}
}

// record turns the flags, the image and the command into what a container is
// made of.
func (e *env) record(c *cli.Context, det overlay.Details, cmd []string) (*container.Record, error) {
	image, err := det.OCI()
	if err != nil {
		return nil, err
	}
	r := &container.Record{
		ID: container.NewID(), Name: strings.TrimPrefix(c.String("name"), "/"), Image: c.Args().First(),
		ImageID: det.ID, LayerDirs: det.LayerDirs, Platform: image.OS,
	}
	conf := image.Config
	for _, set := range []func() error{
		func() error {
			return e.setProcess(c, r, conf.Entrypoint, conf.Cmd, conf.Env, conf.WorkingDir, conf.User, cmd)
		},
		func() (err error) { r.Labels, err = labels(c, conf.Labels); return err },
		func() error { return e.setNet(c, r, keys(conf.ExposedPorts)) },
		func() error { return e.setMounts(c, r, keys(conf.Volumes)) },
		func() error { return setLimits(c, r) },
		func() error { return setCgroup(c, r) },
		func() error { return setHealth(c, r, det) },
		func() error { return setSafety(c, r) },
		func() error { return setLife(c, r, conf.StopSignal) },
	} {
		if err := set(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func keys(m map[string]struct{}) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	return list
}

func (e *env) setProcess(c *cli.Context, r *container.Record, entrypoint, imageCmd, imageEnv []string, cwd, user string, cmd []string) error {
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
	p.Env = mergeEnv(imageEnv, vars)
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
	p.GroupAdd = c.StringSlice("group-add")
	p.Hostname, p.Domainname = c.String("hostname"), c.String("domainname")
	if len(p.Hostname) > 64 {
		return fmt.Errorf("invalid hostname: %s", p.Hostname)
	}
	if p.Hostname == "" {
		p.Hostname = r.ID[:12]
		if firstNetwork(c) == sandbox.NetHost {
			if p.Hostname, err = os.Hostname(); err != nil {
				return err
			}
		}
	}
	p.Tty, p.OpenStdin = c.Bool("tty"), c.Bool("interactive")
	return setAttach(c, p)
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

// mergeEnv puts changes over base; a change without = unsets.
func mergeEnv(base, changes []string) []string {
	out := append([]string(nil), base...)
next:
	for _, kv := range changes {
		name, _, set := strings.Cut(kv, "=")
		for i, have := range out {
			if strings.HasPrefix(have, name+"=") {
				if set {
					out[i] = kv
				} else {
					out = append(out[:i], out[i+1:]...)
				}
				continue next
			}
		}
		if set {
			out = append(out, kv)
		}
	}
	return out
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

func (e *env) setNet(c *cli.Context, r *container.Record, exposed []string) error {
	n := &r.Net
	n.Mode = firstNetwork(c)
	err := e.setNamedNetwork(c, n)
	if err != nil {
		return err
	}
	if n.Publish, err = slirp.ParsePublish(c.StringSlice("publish")); err != nil {
		return &cliError{err.Error()}
	}
	n.AddHosts, n.DNS = c.StringSlice("add-host"), c.StringSlice("dns")
	n.DNSSearch, n.DNSOptions = c.StringSlice("dns-search"), c.StringSlice("dns-option")
	if _, err := slirp.ParseAddHosts(n.AddHosts); err != nil {
		return &cliError{err.Error()}
	}
	seen := map[string]bool{}
	for _, v := range append(exposed, c.StringSlice("expose")...) {
		list, err := slirp.ParseExpose(v)
		if err != nil {
			return &cliError{err.Error()}
		}
		for _, p := range list {
			if !seen[p] {
				seen[p] = true
				n.Exposed = append(n.Exposed, p)
			}
		}
	}
	if n.PublishAll = c.Bool("publish-all"); n.PublishAll {
		for _, p := range n.Exposed {
			list, err := slirp.ParsePublish([]string{p})
			if err == nil {
				n.Publish = append(n.Publish, list...)
			}
		}
	}
	return nil
}

func (e *env) setMounts(c *cli.Context, r *container.Record, declared []string) error {
	var asked []container.Mount
	for _, kind := range []struct {
		flag  string
		parse func(string) (container.Mount, error)
	}{{"volume", container.ParseVolume}, {"mount", container.ParseMount}, {"tmpfs", container.ParseTmpfs}} {
		for _, v := range c.StringSlice(kind.flag) {
			m, err := kind.parse(v)
			if err != nil {
				return &cliError{err.Error()}
			}
			if err := m.CheckSource(); err != nil {
				return err
			}
			asked = append(asked, m)
		}
	}
	from, err := e.volumesFrom(c.StringSlice("volumes-from"), asked)
	if err != nil {
		return err
	}
	if r.Mounts, err = container.MergeMounts(append(asked, from...), declared); err != nil {
		return err
	}
	cs, err := e.containers()
	if err != nil {
		return err
	}
	for i := range r.Mounts {
		if m := &r.Mounts[i]; m.Type == container.MountVolume {
			v, err := cs.EnsureVolume(c.Context, m.Name, nil)
			if err != nil {
				return err
			}
			m.Name = v.Name
		}
	}
	return nil
}

func (e *env) volumesFrom(args []string, asked []container.Mount) ([]container.Mount, error) {
	have := map[string]bool{}
	for _, m := range asked {
		have[m.Target] = true
	}
	var all []container.Mount
	for _, a := range args {
		name, mode, _ := strings.Cut(a, ":")
		cs, err := e.containers()
		if err != nil {
			return nil, err
		}
		other, err := cs.Lookup(name)
		if err != nil {
			return nil, err
		}
		for _, m := range other.Mounts {
			if m.Type == container.MountTmpfs || have[m.Target] {
				continue
			}
			have[m.Target] = true
			m.ReadOnly = m.ReadOnly || mode == "ro"
			all = append(all, m)
		}
	}
	return all, nil
}

func setLimits(c *cli.Context, r *container.Record) error {
	l := &r.Limits
	if v := c.String("shm-size"); v != "" {
		n, err := units.RAMInBytes(v)
		if err != nil || n <= 0 {
			return &exitError{125, cliErrorf("invalid argument %q for \"--shm-size\" flag: invalid size: '%s'", v, v)}
		}
		l.ShmSize = n
	}
	for _, v := range c.StringSlice("ulimit") {
		u, err := units.ParseUlimit(v)
		if err != nil {
			return &exitError{125, cliErrorf("invalid argument %q for \"--ulimit\" flag: %v", v, err)}
		}
		l.Ulimits = append(l.Ulimits, container.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	for _, kv := range c.StringSlice("sysctl") {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return cliErrorf("invalid sysctl: %q", kv)
		}
		if l.Sysctls == nil {
			l.Sysctls = map[string]string{}
		}
		l.Sysctls[k] = v
	}
	if c.IsSet("oom-score-adj") {
		n := c.Int("oom-score-adj")
		if n < -1000 || n > 1000 {
			return fmt.Errorf("Invalid value %d, range for oom score adj is [-1000, 1000]", n)
		}
		l.OomScoreAdj = &n
	}
	return nil
}

func setSafety(c *cli.Context, r *container.Record) error {
	f := &r.Safety
	f.CapAdd, f.CapDrop = c.StringSlice("cap-add"), c.StringSlice("cap-drop")
	if _, err := spec.Capabilities(f.CapAdd, f.CapDrop, false); err != nil {
		return err
	}
	f.Privileged, f.ReadOnlyRootfs = c.Bool("privileged"), c.Bool("read-only")
	for _, o := range []struct {
		flag string
		to   *bool
	}{{"pid", &f.HostPID}, {"ipc", &f.HostIPC}, {"uts", &f.HostUTS}} {
		switch v := c.String(o.flag); v {
		case "", "private", "shareable":
		case "host":
			*o.to = true
		default:
			return fmt.Errorf("--%s %s is not supported", o.flag, v)
		}
	}
	if v := c.String("userns"); v != "" && v != "host" {
		return fmt.Errorf("--userns: invalid USER mode")
	}
	for _, o := range c.StringSlice("security-opt") {
		if err := securityOption(f, o); err != nil {
			return err
		}
	}
	return nil
}

func securityOption(f *container.Safety, o string) error {
	i := strings.IndexAny(o, "=:")
	key, val := o, ""
	if i >= 0 {
		key, val = o[:i], o[i+1:]
	}
	switch {
	case key == "no-new-privileges":
		b, err := strconv.ParseBool(val)
		if val != "" && err != nil {
			return fmt.Errorf("invalid --security-opt 2: %q", o)
		}
		f.NoNewPrivs = val == "" || b
	case key == "seccomp" && (val == "unconfined" || val == "builtin"):
		f.Seccomp = strings.TrimSuffix(val, "builtin")
	case key == "seccomp":
		data, err := os.ReadFile(val)
		if err != nil {
			return cliErrorf("opening seccomp profile (%s) failed: %v", val, err)
		}
		if !json.Valid(data) {
			return cliErrorf("compacting json for seccomp profile (%s) failed", val)
		}
		f.Seccomp = string(data)
	case o == "systempaths=unconfined":
		f.UnmaskPaths = true
	case key == "label" && val == "disable", key == "apparmor" && val == "unconfined":
		// There is no label to disable: neither can be set without root.
	case key == "label", key == "apparmor":
		return fmt.Errorf("--security-opt %s is not supported without root", o)
	default:
		return fmt.Errorf("invalid --security-opt 2: %q", o)
	}
	return nil
}

func setLife(c *cli.Context, r *container.Record, imageSignal string) error {
	l := &r.Life
	l.AutoRemove = c.Bool("rm")
	var err error
	if l.Restart, err = restartPolicy(c.String("restart")); err != nil {
		return err
	}
	if name := l.Restart.Name; l.AutoRemove && name != "" && name != "no" {
		return cliErrorf("conflicting options: cannot specify both --restart and --rm")
	}
	l.StopSignal = imageSignal
	if s := c.String("stop-signal"); s != "" {
		if _, err := container.ParseSignal(s); err != nil {
			return err
		}
		l.StopSignal = s
	}
	if c.IsSet("stop-timeout") {
		n := c.Int("stop-timeout")
		l.StopTimeout = &n
	}
	switch l.LogDriver = c.String("log-driver"); l.LogDriver {
	case "":
		l.LogDriver = "json-file"
	case "json-file", "none":
	default:
		return fmt.Errorf("logger: no log driver named '%s' is registered", l.LogDriver)
	}
	for _, kv := range c.StringSlice("log-opt") {
		return fmt.Errorf("unknown log opt '%s' for %s log driver", strings.SplitN(kv, "=", 2)[0], l.LogDriver)
	}
	return nil
}

// restartPolicy reads no, always, unless-stopped or on-failure[:N].
func restartPolicy(v string) (container.Restart, error) {
	name, count, has := strings.Cut(v, ":")
	p := container.Restart{Name: name}
	switch name {
	case "", "no", "always", "unless-stopped":
		if has {
			return p, fmt.Errorf("invalid restart policy: maximum retry count can only be used with 'on-failure'")
		}
	case "on-failure":
		if has {
			n, err := strconv.Atoi(count)
			if err != nil || n < 0 {
				return p, cliErrorf("invalid restart policy format: maximum retry count must be an integer")
			}
			p.Max = n
		}
	default:
		return p, fmt.Errorf("invalid restart policy: unknown policy '%s'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'", name)
	}
	return p, nil
}
