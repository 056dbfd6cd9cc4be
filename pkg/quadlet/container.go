// SPDX-License-Identifier: Apache-2.0

package quadlet

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"coracle/pkg/systemd"
)

// Times of a container's service, in seconds, where the file says nothing.
const (
	startTime   = 900 // with a pull
	stopTime    = 10  // Docker's
	stopMargin  = 20  // for tidying up
	volatileTmp = "/tmp:rw,size=512M,mode=1777"
)

// container makes a service that runs in the foreground: what the container says
// goes to the journal as it is, and the service ends as it does.
func (c *conversion) container() error {
	name := c.containerName()
	if err := c.supervised(name); err != nil {
		return err
	}
	c.args = append(c.args, "run", "--rm", "--name", name)
	steps := []func() error{c.flags, c.logging, c.safety, c.user, c.devices, c.files, c.proxies, c.mounts, c.networks, c.health, c.reloads, c.zone, c.podmanArgs}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if v := c.from.Last("Entrypoint"); strings.HasPrefix(v, "[") {
		return errors.New("Entrypoint: a list is not understood; name the program, and its arguments by Exec=")
	} else if v != "" {
		c.args = append(c.args, "--entrypoint", v)
	}
	switch pull := c.from.Last("Pull"); pull {
	case "":
	case "always", "missing", "never":
		c.args = append(c.args, "--pull", pull)
	case "newer":
		c.args = append(c.args, "--pull", "always") // what is there already is not loaded again
	default:
		return fmt.Errorf("Pull=%s is none of always, missing, never, newer", pull)
	}
	image, err := c.imageOf(c.from.Last("Image"))
	if err != nil {
		return err
	}
	c.args = append(c.args, image)
	if exec := c.from.Last("Exec"); exec != "" {
		args, err := systemd.Split(exec)
		if err != nil {
			return err
		}
		c.args = append(c.args, args...)
	}
	return nil
}

func (c *conversion) containerName() string {
	if name := c.from.Last("ContainerName"); name != "" {
		return name
	}
	if strings.Contains(c.stem(), "@") {
		return "systemd-%p_%i"
	}
	return "systemd-%N"
}

// supervised is how systemd keeps the container.
func (c *conversion) supervised(name string) error {
	s := c.service
	switch t := s.Last("Type"); t {
	case "", "notify":
		s.Default("Type", "notify")
		s.Default("TimeoutStartSec", strconv.Itoa(startTime))
	case "oneshot":
	default:
		return fmt.Errorf("invalid service Type '%s'", t)
	}
	if m := s.Last("KillMode"); m != "" && m != "mixed" && m != "control-group" {
		return fmt.Errorf("invalid KillMode '%s'", m)
	}
	s.Default("KillMode", "mixed")
	s.Default("Delegate", "yes")
	if s.Last("TimeoutStopSec") == "" {
		stop := strconv.Itoa(stopTime + stopMargin)
		if v := c.from.Last("StopTimeout"); v != "" {
			n, err := strconv.Atoi(v)
			switch {
			case err != nil:
				return fmt.Errorf("StopTimeout=%s is no number of seconds", v)
			case n < 0:
				stop = "infinity"
			default:
				stop = strconv.Itoa(n + stopMargin)
			}
		}
		s.Add("TimeoutStopSec", stop)
	}
	s.Default("SuccessExitStatus", "143")
	call := func(args ...string) string {
		return systemd.Quote(append(c.o.Program[:len(c.o.Program):len(c.o.Program)], args...)...)
	}
	// One that a power cut left, or that was killed together with its command.
	s.Add("ExecStartPre", "-"+call("rm", "--force", "--volumes", name))
	s.Add("ExecStop", "-"+call("stop", name))
	return nil
}

// logging: the command's output is the journal's already.
func (c *conversion) logging() error {
	switch d := c.from.Last("LogDriver"); d {
	case "", "journald", "passthrough":
	case "k8s-file":
		c.args = append(c.args, "--log-driver", "json-file")
	default:
		c.args = append(c.args, "--log-driver", d)
	}
	return nil
}

func (c *conversion) safety() error {
	for _, s := range []struct{ key, flag, value string }{{"NoNewPrivileges", "--security-opt", "no-new-privileges"}, {"VolatileTmp", "--tmpfs", volatileTmp}} {
		yes, err := c.yes(s.key, false)
		if err != nil {
			return err
		}
		if yes {
			c.args = append(c.args, s.flag, s.value)
		}
	}
	if p := c.from.Last("SeccompProfile"); p != "" {
		if p != "unconfined" {
			p = c.absolute(p)
		}
		c.args = append(c.args, "--security-opt", "seccomp="+p)
	}
	unmask, err := c.split("Unmask")
	if err != nil {
		return err
	}
	for _, u := range unmask {
		if !strings.EqualFold(u, "ALL") {
			return fmt.Errorf("Unmask=%s: only all of the default paths can be unmasked (ALL)", u)
		}
		c.args = append(c.args, "--security-opt", "systempaths=unconfined")
	}
	readOnly, err := c.yes("ReadOnly", false)
	if err != nil || !readOnly {
		return err
	}
	c.args = append(c.args, "--read-only")
	writable, err := c.yes("ReadOnlyTmpfs", true)
	if writable {
		c.args = append(c.args, "--tmpfs", "/run", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp")
	}
	return err
}

func (c *conversion) user() error {
	user, group := c.from.Last("User"), c.from.Last("Group")
	switch {
	case user == "" && group != "":
		return errors.New("invalid Group set without User")
	case user != "" && group != "":
		user += ":" + group
	}
	if user != "" {
		c.args = append(c.args, "--user", user)
	}
	return nil
}

// devices: one with a dash before it may be missing.
func (c *conversion) devices() error {
	list, err := c.split("AddDevice")
	for _, d := range list {
		path, optional := strings.CutPrefix(d, "-")
		host, _, _ := strings.Cut(path, ":")
		if optional && !c.o.Exists(host) {
			c.note("AddDevice=%s: there is none now", d)
			continue
		}
		c.args = append(c.args, "--device", path)
	}
	return err
}

func (c *conversion) files() error {
	list, err := c.split("EnvironmentFile")
	for _, f := range list {
		c.args = append(c.args, "--env-file", c.absolute(f))
	}
	return err
}

// proxies are those of the service, where they are asked for.
func (c *conversion) proxies() error {
	yes, err := c.yes("HttpProxy", false)
	if yes {
		for _, name := range []string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy"} {
			c.args = append(c.args, "--env", name, "--env", strings.ToUpper(name))
		}
	}
	return err
}

// mounts are volumes and mounts, whose sources may be files of ours.
func (c *conversion) mounts() error {
	for _, v := range c.from.All("Volume") {
		source, rest, there := strings.Cut(v, ":")
		if there {
			s, err := c.source(source)
			if err != nil {
				return err
			}
			v = s + ":" + rest
		}
		c.args = append(c.args, "--volume", v)
	}
	list, err := c.split("Mount")
	if err != nil {
		return err
	}
	for _, m := range list {
		fields := strings.Split(m, ",")
		for i, f := range fields {
			key, value, _ := strings.Cut(f, "=")
			if key != "source" && key != "src" {
				continue
			}
			if strings.Contains(m, "type=image") {
				value, err = c.imageOf(value)
			} else {
				value, err = c.source(value)
			}
			if err != nil {
				return err
			}
			fields[i] = key + "=" + value
		}
		c.args = append(c.args, "--mount", strings.Join(fields, ","))
	}
	return nil
}

// source is where a mount comes from: a volume of a file of ours, a path, a name.
func (c *conversion) source(s string) (string, error) {
	switch {
	case strings.HasSuffix(s, ".volume"):
		f, err := c.needs(s)
		if err != nil {
			return "", err
		}
		return resource(f, "VolumeName"), nil
	case strings.HasPrefix(s, "."):
		s = c.absolute(s)
		fallthrough
	case strings.HasPrefix(s, "/"):
		c.unit.Section("Unit").Add("RequiresMountsFor", s)
	}
	return s, nil
}

func (c *conversion) networks() error {
	for _, n := range c.from.All("Network") {
		name, options, with := strings.Cut(n, ":")
		switch ext := filepath.Ext(name); ext {
		case ".network":
			f, err := c.needs(name)
			if err != nil {
				return err
			}
			name = resource(f, "NetworkName")
		case ".container":
			f, err := c.needs(name)
			if err != nil {
				return err
			}
			other := conversion{Source: f, from: f.Unit.Section("Container")}
			name, options, with = "container", strings.ReplaceAll(other.containerName(), "%N", strings.TrimSuffix(serviceOf(f), ".service")), true
		}
		switch {
		case name == "pasta" || name == "slirp4netns":
			if with {
				return fmt.Errorf("Network=%s: the options are those of a program that is not used", n)
			}
			c.note("Network=%s has no effect: the default network needs no program", n)
		case name == "ns":
			return fmt.Errorf("Network=%s: a container has a network of its own, or shares another's", n)
		case with && name != "container":
			// ip=1.2.3.4,alias=x is podman's form of what Docker says with name=.
			options = strings.ReplaceAll(","+options, ",mac=", ",mac-address=")
			c.args = append(c.args, "--network", "name="+name+options)
		case with:
			c.args = append(c.args, "--network", name+":"+options)
		default:
			c.args = append(c.args, "--network", name)
		}
	}
	return nil
}

// health is how the container is checked, and who says that the service is ready.
func (c *conversion) health() error {
	switch cmd := c.from.Last("HealthCmd"); cmd {
	case "":
	case "none":
		c.args = append(c.args, "--no-healthcheck")
	default:
		c.args = append(c.args, "--health-cmd", cmd)
	}
	switch i := c.from.Last("HealthInterval"); i {
	case "":
	case "disable":
		return errors.New("HealthInterval=disable: nothing else runs the checks; without them HealthCmd=none")
	default:
		c.args = append(c.args, "--health-interval", i)
	}
	switch f := c.from.Last("HealthOnFailure"); f {
	case "", "none":
	default:
		return fmt.Errorf("HealthOnFailure=%s: an unhealthy container goes on", f)
	}
	notify := c.from.Last("Notify")
	if notify == "" || strings.EqualFold(notify, "healthy") {
		return nil
	}
	yes, err := systemd.Boolean(notify)
	switch {
	case err != nil:
		return fmt.Errorf("Notify: %w", err)
	case yes: // the program itself
		c.args = append(c.args, "--sdnotify", "container")
	case c.from.Last("HealthCmd") != "":
		c.note("Notify=%s has no effect: with a health check the service is ready when the container is healthy", notify)
	}
	return nil
}

// reloads is what `systemctl reload` does.
func (c *conversion) reloads() error {
	cmd, signal := c.from.Last("ReloadCmd"), c.from.Last("ReloadSignal")
	var args []string
	switch {
	case cmd != "" && signal != "":
		return errors.New("ReloadCmd and ReloadSignal are mutually exclusive but both are set")
	case cmd != "":
		list, err := systemd.Split(cmd)
		if err != nil {
			return err
		}
		args = append([]string{"exec", c.containerName()}, list...)
	case signal != "":
		args = []string{"kill", "--signal", signal, c.containerName()}
	default:
		return nil
	}
	c.service.Add("ExecReload", systemd.Quote(append(c.o.Program[:len(c.o.Program):len(c.o.Program)], args...)...))
	return nil
}

// zone shows the container the host's file of a time zone.
func (c *conversion) zone() error {
	switch z := c.from.Last("Timezone"); {
	case z == "":
	case z == "local":
		c.args = append(c.args, "--volume", "/etc/localtime:/etc/localtime:ro")
	default:
		c.args = append(c.args, "--volume", "/usr/share/zoneinfo/"+z+":/etc/localtime:ro")
	}
	return nil
}

// podmanArgs are given as they are: most of podman's are Docker's.
func (c *conversion) podmanArgs() error {
	list, err := c.split("PodmanArgs")
	c.args = append(c.args, list...)
	return err
}

// imageOf is the name of an image, which may be that of a file of ours.
func (c *conversion) imageOf(name string) (string, error) {
	switch filepath.Ext(name) {
	case ".image":
		f, err := c.needs(name)
		if err != nil {
			return "", err
		}
		from := f.Unit.Section("Image")
		name = from.Last("ImageTag")
		if name == "" {
			name = from.Last("Image")
		}
	case ".build":
		f, err := c.needs(name)
		if err != nil {
			return "", err
		}
		tags := f.Unit.Section("Build").All("ImageTag")
		name = ""
		if len(tags) > 0 {
			name = tags[0]
		}
	}
	if name == "" {
		return "", errors.New("no Image key specified")
	}
	return name, nil
}
