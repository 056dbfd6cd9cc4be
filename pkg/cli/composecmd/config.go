// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v3"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose/convert"
	"coracle/pkg/compose/load"
)

func config(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "config", Aliases: []string{"convert"}, Usage: "Parse, resolve and render compose file in canonical format", ArgsUsage: "[SERVICE...]",
		Flags: []cli.Flag{
			flags.Bool("environment", nil, "Print environment used for interpolation"),
			&cli.StringFlag{Name: "format", Value: "yaml", Usage: "Format the output. Values: [yaml | json]"},
			flags.Text("hash", nil, "Print the service config hash, one per line"),
			flags.Bool("images", nil, "Print the image names, one per line"),
			flags.Bool("networks", nil, "Print the network names, one per line"),
			flags.Bool("no-consistency", nil, "Don't check model consistency - warning: may produce invalid Compose output"),
			flags.Bool("no-env-resolution", nil, "Don't resolve service env files"),
			flags.Bool("no-interpolate", nil, "Don't interpolate environment variables"),
			flags.Bool("no-normalize", nil, "Don't normalize compose model"),
			flags.Bool("no-path-resolution", nil, "Don't resolve file paths"),
			flags.Text("output", flags.Short("o"), "Save to file (default to stdout)"),
			flags.Bool("profiles", nil, "Print the profile names, one per line"),
			flags.Bool("quiet", flags.Short("q"), "Only validate the configuration, don't print anything"),
			flags.Bool("services", nil, "Print the service names, one per line"),
			flags.Text("to", nil, "Write the project for another system. Values: [kubernetes]"),
			flags.Bool("variables", nil, "Print model variables and default values"),
			flags.Bool("volumes", nil, "Print the volume names, one per line"),
		},
		Action: verb(e, 0, -1, runConfig),
	}
}

func runConfig(ctx context.Context, s *session) error {
	f := s.c
	o := s.options()
	o.NoInterpolate, o.NoNormalize, o.NoConsistency, o.NoPaths = f.Bool("no-interpolate"), f.Bool("no-normalize"), f.Bool("no-consistency"), f.Bool("no-path-resolution")
	if f.String("format") != "yaml" && f.String("format") != "json" {
		return fmt.Errorf("unsupported format %q", f.String("format"))
	}
	switch {
	case f.IsSet("to"):
		return s.convert(ctx, o)
	case f.Bool("variables"):
		return s.variables(ctx, o)
	case f.Bool("environment"):
		env, err := load.Environment(o)
		if err != nil {
			return err
		}
		for _, k := range slices.Sorted(maps.Keys(env)) {
			fmt.Fprintf(s.Stdout, "%s=%s\n", k, env[k])
		}
		return nil
	case o.NoInterpolate && !f.Bool("services") && !f.Bool("volumes") && !f.Bool("images") && !f.Bool("profiles"):
		m, err := load.Model(ctx, o)
		if err != nil || f.Bool("quiet") {
			return err
		}
		return s.output(encodeModel(m, f.String("format")))
	}
	if f.Bool("profiles") {
		o.Profiles = []string{"*"}
	}
	p, err := load.Project(ctx, o)
	if err == nil {
		p, err = s.chosen(p)
	}
	if err != nil || f.Bool("quiet") {
		return err
	}
	if names := s.names(p); names != nil {
		for _, n := range names() {
			fmt.Fprintln(s.Stdout, n)
		}
		return nil
	}
	if f.String("hash") != "" {
		return s.hashes(p, f.String("hash"))
	}
	if f.String("format") == "json" {
		return s.output(p.MarshalJSON())
	}
	return s.output(p.MarshalYAML())
}

// chosen leaves the services that were named and what they need.
func (s *session) chosen(p *types.Project) (*types.Project, error) {
	names := s.c.Args().Slice()
	p, err := p.WithServicesEnabled(names...)
	if err == nil {
		p, err = p.WithSelectedServices(names)
	}
	if err != nil {
		return nil, err
	}
	if !s.c.Bool("all-resources") && !s.c.Bool("no-consistency") {
		p = p.WithoutUnnecessaryResources()
	}
	if s.c.Bool("no-env-resolution") {
		return p, nil
	}
	return load.Resolve(p)
}

// names are what is printed one per line, or nil.
func (s *session) names(p *types.Project) func() []string {
	switch f := s.c; {
	case f.Bool("services"):
		return p.ServiceNames
	case f.Bool("volumes"):
		return p.VolumeNames
	case f.Bool("networks"):
		return p.NetworkNames
	case f.Bool("images"):
		return func() (list []string) {
			for _, name := range p.ServiceNames() {
				list = append(list, convert.ImageName(p, p.Services[name]))
			}
			return list
		}
	case f.Bool("profiles"):
		return func() []string {
			all := map[string]bool{}
			for _, sv := range p.AllServices() {
				for _, profile := range sv.Profiles {
					all[profile] = true
				}
			}
			return slices.Sorted(maps.Keys(all))
		}
	}
	return nil
}

// hashes prints those of services, all of them for *.
func (s *session) hashes(p *types.Project, which string) error {
	names := p.ServiceNames()
	if which != "*" {
		names = strings.Split(which, ",")
	}
	slices.Sort(names)
	for _, name := range names {
		sv, err := p.GetService(name)
		if err != nil {
			return err
		}
		hash, err := convert.Hash(sv)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.Stdout, "%s %s\n", name, hash)
	}
	return nil
}

// variables prints those that the files name, with what they are without a value.
func (s *session) variables(ctx context.Context, o load.Options) error {
	list, err := load.Variables(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Stdout, "%-20s%-20s%-20s%s\n", "NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE")
	for _, v := range list {
		fmt.Fprintln(s.Stdout, strings.TrimRight(fmt.Sprintf("%-20s%-20t%-20s%s", v.Name, v.Required, v.Default, v.Alternate), " "))
	}
	return nil
}

func encodeModel(m map[string]any, format string) ([]byte, error) {
	if format == "json" {
		return json.MarshalIndent(m, "", "  ")
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err := enc.Encode(m)
	return b.Bytes(), err
}

// output prints a document, or writes it to the file that is asked for.
func (s *session) output(text []byte, err error) error {
	if err != nil {
		return err
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	if file := s.c.String("output"); file != "" {
		return command.WriteFile(s.Env, file, text)
	}
	_, err = s.Stdout.Write(text)
	return err
}
