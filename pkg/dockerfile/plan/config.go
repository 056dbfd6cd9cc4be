// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"coracle/pkg/dockerfile/parse"
	"coracle/pkg/oci/spec"
)

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
			conf.Env = spec.MergeEnv(conf.Env, kv.Key+"="+kv.Value)
			s.args.vars[kv.Key] = kv.Value
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
		if _, err := spec.ParseSignal(c.Signal); err != nil {
			return err
		}
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
		conf.ArgsEscaped = true //nolint:staticcheck // BuildKit sets it for all platforms
		s.addHistory(fmt.Sprintf("CMD %q", conf.Cmd), true)
	case *instructions.EntrypointCommand:
		conf.Entrypoint = s.commandLine(c.ShellDependantCmdLine)
		if !s.sawCmd { // a base image's CMD belongs to the base image's ENTRYPOINT
			conf.Cmd = nil
		}
		s.addHistory(fmt.Sprintf("ENTRYPOINT %q", conf.Entrypoint), true)
	case *instructions.HealthCheckCommand:
		conf.Healthcheck = &dockerspec.HealthcheckConfig{
			Test: c.Health.Test, Interval: c.Health.Interval, Timeout: c.Health.Timeout,
			StartPeriod: c.Health.StartPeriod, StartInterval: c.Health.StartInterval, Retries: c.Health.Retries,
		}
		s.addHistory(fmt.Sprintf("HEALTHCHECK %+v", *conf.Healthcheck), true)
	case *instructions.ShellCommand:
		conf.Shell = c.Shell
		s.addHistory(fmt.Sprintf("SHELL %v", c.Shell), true)
	case *instructions.OnbuildCommand:
		conf.OnBuild = append(slices.Clip(conf.OnBuild), c.Expression)
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
		words, err := shell.NewLex(escape).ProcessWords(p, s.args.vars)
		if err != nil {
			return err
		}
		ports = append(ports, words...)
	}
	var added []string
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
			s.image.Config.ExposedPorts[e] = struct{}{}
		}
		added = append(added, list...)
	}
	s.addHistory(fmt.Sprintf("EXPOSE %v", added), true)
	return nil
}

// absolute is a path inside the image, from a working directory.
func absolute(dir, p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join("/", dir, p)
}

// Configure applies instructions that only change the configuration, those of
// commit and import --change. Its texts are Docker's.
func Configure(image *Image, changes []string) error {
	if len(changes) == 0 {
		return nil
	}
	cmds, escape, err := parse.Changes(changes)
	if err != nil {
		return err
	}
	s := &stage{image: *image, args: newArgScope()}
	s.args.adopt(s.image.Config.Env)
	for _, cmd := range cmds {
		if ex, ok := cmd.(instructions.SupportsSingleWordExpansion); ok {
			if err := ex.Expand(s.args.expand(escape)); err != nil {
				return err
			}
		}
		if err := configure(s, cmd, escape); err != nil {
			return err
		}
	}
	*image = s.image
	return nil
}
