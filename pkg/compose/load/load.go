// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/pkg/kvfile"

	"coracle/pkg/compose/convert"
)

// Options say which files are meant, and how they are read.
type Options struct {
	Files    []string // "-" is standard input; none: those of the environment, or found here or above
	Dir      string   // the project's directory; empty: that of the first file
	Name     string   // the project's name; empty: what the files or the environment say, or the directory's
	Profiles []string // none: those of the environment
	EnvFiles []string // none: .env
	Warn     func(message string)

	// These leave out parts of the reading, for config.
	NoInterpolate, NoNormalize, NoConsistency, NoPaths bool
}

// ErrNoFile says that there is no Compose file, in docker compose's words.
var ErrNoFile = errors.New("no configuration file provided: not found")

// Project reads the project of some files.
func Project(ctx context.Context, o Options) (*types.Project, error) {
	restore := hear(o.Warn)
	defer restore()
	options, err := o.options()
	if err != nil {
		return nil, err
	}
	p, err := options.LoadProject(ctx)
	if err != nil {
		return nil, err
	}
	if p.Name == "" {
		return nil, errors.New("project name can't be empty. Use `--project-name` to set a valid name")
	}
	o.label(p)
	return p, nil
}

// Model is what the files say before it is given types: for config with what is
// not interpolated.
func Model(ctx context.Context, o Options) (map[string]any, error) {
	restore := hear(o.Warn)
	defer restore()
	options, err := o.options()
	if err != nil {
		return nil, err
	}
	m, err := options.LoadModel(ctx)
	return m, err
}

// Name is the project's name for a command that needs no files: the one that is
// asked for, or that of the files if there are any.
func Name(ctx context.Context, o Options) (string, error) {
	if name := o.named(); name != "" {
		if name != loader.NormalizeProjectName(name) {
			return "", loader.InvalidProjectNameErr(name)
		}
		return name, nil
	}
	o.NoConsistency = true
	p, err := Project(ctx, o)
	if err != nil {
		return "", err
	}
	return p.Name, nil
}

// named is the name that is asked for without a look at files.
func (o Options) named() string {
	if o.Name != "" {
		return o.Name
	}
	return os.Getenv(consts.ComposeProjectName)
}

// Environment is what is interpolated, by name.
func Environment(o Options) (map[string]string, error) {
	restore := hear(o.Warn)
	defer restore()
	options, err := o.options()
	if err != nil && !errors.Is(err, ErrNoFile) {
		return nil, err
	}
	return options.Environment, nil
}

func (o Options) options() (*cli.ProjectOptions, error) {
	envFiles, err := o.envFiles()
	if err != nil {
		return nil, err
	}
	options, err := cli.NewProjectOptions(o.Files,
		cli.WithWorkingDirectory(o.Dir),
		cli.WithOsEnv,
		cli.WithEnvFiles(envFiles...),
		cli.WithDotEnv,
		cli.WithConfigFileEnv,
		cli.WithDefaultConfigPath,
		// The files may be elsewhere, with a .env beside them.
		cli.WithEnvFiles(envFiles...),
		cli.WithDotEnv,
		cli.WithDefaultProfiles(o.Profiles...),
		cli.WithName(o.Name),
		cli.WithInterpolation(!o.NoInterpolate),
		cli.WithNormalization(!o.NoNormalize),
		cli.WithConsistency(!o.NoConsistency),
		cli.WithResolvedPaths(!o.NoPaths),
	)
	if err != nil {
		return nil, err
	}
	// Of services that are not selected no file need be there: Select does it.
	if err := errors.Join(cli.WithoutEnvironmentResolution(options), cli.WithoutLabelsResolution(options)); err != nil {
		return nil, err
	}
	if len(options.ConfigPaths) == 0 {
		return options, ErrNoFile
	}
	return options, nil
}

// envFiles are those of --env-file, or of the environment.
func (o Options) envFiles() ([]string, error) {
	files := o.EnvFiles
	if list := os.Getenv("COMPOSE_ENV_FILES"); len(files) == 0 && list != "" {
		files = strings.Split(list, ",")
	}
	for _, f := range files {
		path, err := filepath.Abs(f)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("couldn't find env file: %s", path)
		}
	}
	return files, nil
}

// label gives every service what its containers are found again by.
func (o Options) label(p *types.Project) {
	add := func(all types.Services) {
		for name, s := range all {
			s.CustomLabels = types.Labels{}
			for k, v := range convert.ServiceLabels(p, name) {
				s.CustomLabels[k] = v
			}
			if files, _ := o.envFiles(); len(files) > 0 {
				s.CustomLabels[convert.LabelEnvironmentFile] = strings.Join(files, ",")
			}
			all[name] = s
		}
	}
	add(p.Services)
	add(p.DisabledServices)
}

// Select leaves the services that are named, and what they need: their
// dependencies unless alone, volumes, networks, secrets and configurations. Naming
// a service enables it, whatever its profiles. No names leave all that are
// enabled.
func Select(p *types.Project, names []string, alone bool) (*types.Project, error) {
	p, err := p.WithServicesEnabled(names...)
	if err != nil {
		return nil, err
	}
	how := types.IncludeDependencies
	if alone {
		how = types.IgnoreDependencies
	}
	if p, err = p.WithSelectedServices(names, how); err != nil {
		return nil, err
	}
	return Resolve(p.WithoutUnnecessaryResources())
}

// Resolve reads the files of variables and of labels that services name.
func Resolve(p *types.Project) (*types.Project, error) {
	dotenv.RegisterFormat("raw", rawVariables)
	p, err := p.WithServicesEnvironmentResolved(true)
	if err != nil {
		return nil, err
	}
	return p.WithServicesLabelsResolved(false) // as docker compose: the hash has their names
}

// rawVariables reads a file of variables as docker run --env-file does.
func rawVariables(r io.Reader, name string, vars map[string]string, lookup func(string) (string, bool)) error {
	lines, err := kvfile.ParseFromReader(r, lookup)
	if err != nil {
		return fmt.Errorf("failed to parse env_file %s: %w", name, err)
	}
	for _, line := range lines {
		k, v, _ := strings.Cut(line, "=")
		vars[k] = v
	}
	return nil
}

// Variable is one that files name.
type Variable struct {
	Name, Default, Alternate string
	Required                 bool
}

// Variables are those that the files name.
func Variables(ctx context.Context, o Options) (list []Variable, err error) {
	o.NoInterpolate, o.NoConsistency, o.NoNormalize = true, true, true
	m, err := Model(ctx, o)
	if err != nil {
		return nil, err
	}
	all := template.ExtractVariables(m, template.DefaultPattern)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := all[name]
		list = append(list, Variable{Name: v.Name, Default: v.DefaultValue, Alternate: v.PresenceValue, Required: v.Required})
	}
	return list, nil
}
