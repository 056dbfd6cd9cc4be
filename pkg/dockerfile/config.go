// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"coracle/pkg/overlay"
)

// Image is an image configuration with Docker's additions to the OCI format.
type Image struct{ dockerspec.DockerOCIImage }

var defaultShell = []string{"/bin/sh", "-c"}

func (s *stage) shell() []string {
	if len(s.image.Config.Shell) > 0 {
		return s.image.Config.Shell
	}
	return defaultShell
}

// commandLine is what CMD and ENTRYPOINT keep.
func (s *stage) commandLine(c instructions.ShellDependantCmdLine) []string {
	if c.PrependShell {
		return append(slices.Clone(s.shell()), strings.Join(c.CmdLine, " "))
	}
	return c.CmdLine
}

// configure carries out an instruction that only changes the configuration.
func configure(s *stage, cmd instructions.Command, escape rune) error {
	conf := &s.image.Config
	switch c := cmd.(type) {
	case *instructions.EnvCommand:
		for _, kv := range c.Env {
			conf.Env = setEnv(conf.Env, kv.Key, kv.Value)
			s.args.env[kv.Key] = kv.Value
		}
		s.addHistory("ENV "+pairs(c.Env), true)
	case *instructions.LabelCommand:
		conf.Labels = maps.Clone(conf.Labels)
		if conf.Labels == nil {
			conf.Labels = map[string]string{}
		}
		for _, kv := range c.Labels {
			conf.Labels[kv.Key] = kv.Value
		}
		s.addHistory("LABEL "+pairs(c.Labels), true)
	case *instructions.ExposeCommand:
		return s.expose(c, escape)
	case *instructions.UserCommand:
		conf.User = c.User
		s.addHistory("USER "+c.User, true)
	case *instructions.VolumeCommand:
		conf.Volumes = maps.Clone(conf.Volumes)
		if conf.Volumes == nil {
			conf.Volumes = map[string]struct{}{}
		}
		for _, v := range c.Volumes {
			if v == "" {
				return fmt.Errorf("VOLUME specified can not be an empty string")
			}
			conf.Volumes[v] = struct{}{}
		}
		s.addHistory(fmt.Sprintf("VOLUME %v", c.Volumes), true)
	case *instructions.StopSignalCommand:
		conf.StopSignal = c.Signal
		s.addHistory("STOPSIGNAL "+c.Signal, true)
	case *instructions.MaintainerCommand:
		s.image.Author = c.Maintainer
		s.addHistory("MAINTAINER "+c.Maintainer, true)
	case *instructions.WorkdirCommand:
		conf.WorkingDir = absolute(conf.WorkingDir, c.Path)
		s.addHistory("WORKDIR "+conf.WorkingDir, true)
	default:
		return s.configureCommand(cmd)
	}
	return nil
}

// configureCommand carries out what concerns the commands of a container.
func (s *stage) configureCommand(cmd instructions.Command) error {
	conf := &s.image.Config
	switch c := cmd.(type) {
	case *instructions.CmdCommand:
		conf.Cmd, s.sawCmd = s.commandLine(c.ShellDependantCmdLine), true
		s.addHistory("CMD "+quoted(conf.Cmd), true)
	case *instructions.EntrypointCommand:
		conf.Entrypoint = s.commandLine(c.ShellDependantCmdLine)
		if !s.sawCmd { // a base image's CMD belongs to the base image's ENTRYPOINT
			conf.Cmd = nil
		}
		s.addHistory("ENTRYPOINT "+quoted(conf.Entrypoint), true)
	case *instructions.HealthCheckCommand:
		conf.Healthcheck = &dockerspec.HealthcheckConfig{
			Test: c.Health.Test, Interval: c.Health.Interval, Timeout: c.Health.Timeout,
			StartPeriod: c.Health.StartPeriod, StartInterval: c.Health.StartInterval, Retries: c.Health.Retries,
		}
		s.addHistory("HEALTHCHECK "+quoted(c.Health.Test), true)
	case *instructions.ShellCommand:
		conf.Shell = c.Shell
		s.addHistory(fmt.Sprintf("SHELL %v", c.Shell), true)
	case *instructions.OnbuildCommand:
		conf.OnBuild = append(slices.Clip(conf.OnBuild), c.Expression)
		s.addHistory("ONBUILD "+c.Expression, true)
	default:
		return fmt.Errorf("%s is not supported here", strings.ToUpper(cmd.Name()))
	}
	return nil
}

func pairs(kvs instructions.KeyValuePairs) string {
	var list []string
	for _, kv := range kvs {
		list = append(list, kv.String())
	}
	return strings.Join(list, " ")
}

func (s *stage) expose(c *instructions.ExposeCommand, escape rune) error {
	var ports []string
	for _, p := range c.Ports {
		words, err := shell.NewLex(escape).ProcessWords(p, s.args.vars())
		if err != nil {
			return err
		}
		ports = append(ports, words...)
	}
	added := map[string]bool{}
	s.image.Config.ExposedPorts = maps.Clone(s.image.Config.ExposedPorts)
	if s.image.Config.ExposedPorts == nil {
		s.image.Config.ExposedPorts = map[string]struct{}{}
	}
	for _, p := range ports {
		list, err := exposed(p)
		if err != nil {
			return err
		}
		for _, e := range list {
			s.image.Config.ExposedPorts[e], added[e] = struct{}{}, true
		}
	}
	s.addHistory(fmt.Sprintf("EXPOSE %v", slices.Sorted(maps.Keys(added))), true)
	return nil
}

// exposed reads PORT[-END][/PROTO] into the form that configurations keep:
// 80/tcp.
func exposed(spec string) ([]string, error) {
	ports, proto, ok := strings.Cut(spec, "/")
	if !ok {
		proto = "tcp"
	}
	proto = strings.ToLower(proto)
	if proto != "tcp" && proto != "udp" && proto != "sctp" {
		return nil, fmt.Errorf("invalid proto: %s", proto)
	}
	if i := strings.LastIndexByte(ports, ':'); i >= 0 { // the host's part, as in -p, says nothing here
		ports = ports[i+1:]
	}
	a, z, isRange := strings.Cut(ports, "-")
	if !isRange {
		z = a
	}
	first, err := strconv.ParseUint(a, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("invalid containerPort: %s", spec)
	}
	last, err := strconv.ParseUint(z, 10, 16)
	if err != nil || last < first {
		return nil, fmt.Errorf("invalid containerPort: %s", spec)
	}
	var list []string
	for p := first; p <= last; p++ {
		list = append(list, fmt.Sprintf("%d/%s", p, proto))
	}
	return list, nil
}

func quoted(list []string) string {
	b, err := json.Marshal(list)
	if err != nil {
		return fmt.Sprintf("%q", list)
	}
	return strings.ReplaceAll(string(b), `","`, `" "`)
}

// absolute is a path inside the image, from a working directory.
func absolute(dir, p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join("/", dir, p)
}

// workdir is WORKDIR. The directory is made when it is not there, as a layer.
func (b *builder) workdir(s *stage, c *instructions.WorkdirCommand) error {
	dir := absolute(s.image.Config.WorkingDir, c.Path)
	s.image.Config.WorkingDir = dir
	v := b.tell.announce(s.title(c.String()))
	key := newKey(s.parent(), "workdir", dir)
	err := b.snapshot(s, v, key, func(d *overlay.Dir, lowers []string) error {
		root, err := b.mountUpper(d, lowers)
		if err != nil {
			return err
		}
		defer root.close()
		if err := root.mkdirAll(dir, owner{}); err != nil {
			return fmt.Errorf("create working directory %s: %w", dir, err)
		}
		return nil
	})
	s.addHistory("WORKDIR "+dir, false)
	return err
}
