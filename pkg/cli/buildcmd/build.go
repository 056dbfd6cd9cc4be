// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"coracle/pkg/cli/command"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/cli/progress"
	"coracle/pkg/container"
	"coracle/pkg/dockerfile"
	dockerrun "coracle/pkg/dockerfile/run"
	"coracle/pkg/hint"
	"coracle/pkg/image"
	"coracle/pkg/network"
	"coracle/pkg/oci"
	"coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
)

func BuildCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "build", Usage: "Build an image from a Dockerfile", ArgsUsage: "PATH | -",
		Flags: append(buildFlags(), idleBuildFlags()...),
		Action: func(c *cli.Context) error {
			if err := command.NeedArgs(e, c, 1, 1); err != nil {
				return err
			}
			o, err := buildOptions(e, c)
			if err != nil {
				return err
			}
			out, err := buildOutputs(e, c)
			if err != nil {
				return err
			}
			return e.Inside(func(st *overlay.Store) error {
				warnIdleBuild(e, c)
				return runBuild(e, c, st, o, out)
			})
		},
	}
}

func buildOptions(e *command.Env, c *cli.Context) (dockerfile.Options, error) {
	o := dockerfile.Options{
		Target: c.String("target"), Platform: c.String("platform"), NoCache: c.Bool("no-cache"), Pull: c.Bool("pull"),
		AddHosts: c.StringSlice("add-host"), BuildArgs: map[string]string{}, Labels: map[string]string{},
		NoCacheFilter: c.StringSlice("no-cache-filter"),
	}
	if err := checkRefusedBuild(c); err != nil {
		return o, err
	}
	for _, t := range c.StringSlice("tag") {
		ref, err := oci.ParseRef(t)
		if err != nil || ref.Digest() != "" {
			return o, command.Errorf("invalid argument %q for \"-t, --tag\" flag: %v", t, oci.ErrInvalidReference)
		}
		o.Names = append(o.Names, ref.Name())
	}
	for _, a := range c.StringSlice("build-arg") {
		k, v, ok := strings.Cut(a, "=")
		if !ok {
			if v, ok = os.LookupEnv(k); !ok {
				continue
			}
		}
		o.BuildArgs[k] = v
	}
	if v, ok := os.LookupEnv("SOURCE_DATE_EPOCH"); ok { // as for buildx
		if _, ok := o.BuildArgs["SOURCE_DATE_EPOCH"]; !ok {
			o.BuildArgs["SOURCE_DATE_EPOCH"] = v
		}
	}
	for _, l := range c.StringSlice("label") {
		k, v, _ := strings.Cut(l, "=")
		o.Labels[k] = v
	}
	if _, err := network.ParseAddHosts(o.AddHosts); err != nil {
		return o, err
	}
	var err error
	if o.Secrets, err = parseSecrets(c.StringSlice("secret")); err != nil {
		return o, err
	}
	for _, v := range c.StringSlice("ulimit") {
		u, err := units.ParseUlimit(v)
		if err != nil {
			return o, command.Errorf("invalid argument %q for \"--ulimit\" flag: %v", v, err)
		}
		o.Ulimits = append(o.Ulimits, *u)
	}
	if o.Contexts, err = buildContexts(c.StringSlice("build-context")); err != nil {
		return o, err
	}
	if s := c.String("shm-size"); s != "" {
		if o.ShmSize, err = units.RAMInBytes(s); err != nil {
			return o, command.Errorf("invalid argument %q for \"--shm-size\" flag: %v", s, err)
		}
	}
	switch o.Network = c.String("network"); o.Network {
	case "default", network.Bridge:
		o.Network = ""
	case "", network.None, network.Host:
	default:
		return o, fmt.Errorf("network mode %q not supported by a build: use default, none or host", o.Network)
	}
	return o, buildSources(e, c, &o)
}

// buildSources finds the context and the Dockerfile.
func buildSources(e *command.Env, c *cli.Context, o *dockerfile.Options) error {
	arg, file := c.Args().First(), c.String("file")
	switch file {
	case "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0":
		file = "-"
	}
	if arg == "-" {
		if file == "-" {
			return command.Errorf("invalid argument: can't use stdin for both build context and dockerfile")
		}
		if file == "" {
			file = "Dockerfile"
		}
		o.Source, o.Dockerfile = e.Stdin, file
		return nil
	}
	if strings.Contains(arg, "://") || strings.HasPrefix(arg, "git@") {
		return command.Errorf("unable to prepare context: remote contexts are not supported: clone %q and build the directory", arg)
	}
	info, err := os.Stat(arg)
	if err != nil {
		return command.Errorf("unable to prepare context: path %q not found", arg)
	}
	if !info.IsDir() {
		return command.Errorf("unable to prepare context: path %q is not a directory", arg)
	}
	if o.ContextDir, err = filepath.Abs(arg); err != nil {
		return err
	}
	if o.ContextDir, err = filepath.EvalSymlinks(o.ContextDir); err != nil {
		return err
	}
	switch {
	case file == "-":
		o.Source, o.Dockerfile = e.Stdin, "Dockerfile"
	case isDescriptor(file): // a shell's <(command)
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("failed to read dockerfile: %w", err)
		}
		o.Source, o.Dockerfile = f, "Dockerfile"
	case file == "":
		o.Dockerfile = filepath.Join(o.ContextDir, "Dockerfile")
		if _, err := os.Stat(o.Dockerfile); errors.Is(err, os.ErrNotExist) {
			if _, err := os.Stat(filepath.Join(o.ContextDir, "dockerfile")); err == nil {
				o.Dockerfile = filepath.Join(o.ContextDir, "dockerfile")
			}
		}
	default:
		if o.Dockerfile, err = filepath.Abs(file); err != nil {
			return err
		}
		// As buildx: a name that is not here may be in the context.
		if _, err := os.Lstat(o.Dockerfile); errors.Is(err, os.ErrNotExist) && !filepath.IsAbs(file) {
			if in := filepath.Join(o.ContextDir, file); exists(in) {
				o.Dockerfile = in
			}
		}
	}
	return nil
}

func isDescriptor(file string) bool {
	return strings.HasPrefix(file, "/dev/fd/") || strings.HasPrefix(file, "/proc/self/fd/")
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

func runBuild(e *command.Env, c *cli.Context, st *overlay.Store, o dockerfile.Options, out []buildOutput) error {
	// What a build writes does not depend on the caller's mask.
	unix.Umask(0o022)
	mode := c.String("progress")
	if c.Bool("quiet") {
		mode = "quiet"
	}
	show, err := progress.NewBuild(e.Stderr, mode)
	if err != nil {
		return command.Errorf("%v", err)
	}
	finish, err := applyOutputs(e, &o, out)
	if err != nil {
		return errors.Join(err, finish(false))
	}
	for _, file := range []string{c.String("iidfile"), c.String("metadata-file")} {
		// One of before says nothing of this build.
		if info, err := os.Stat(file); file != "" && err == nil && info.Mode().IsRegular() {
			_ = os.Remove(file)
		}
	}
	res, err := dockerfile.Build(c.Context, st, &baseImages{image.Within(st, container.ImageUsers), command.Access(e)}, &dockerrun.Runner{Store: st, Ulimits: o.Ulimits}, o, show.Event)
	show.Close()
	if ferr := finish(err == nil); err == nil && ferr != nil {
		return ferr
	}
	if err != nil {
		printBuildError(e, err, show)
		return command.Exit(1)
	}
	for _, w := range res.Warnings {
		fmt.Fprintln(e.Stderr, "[Warning] "+w)
	}
	if !o.NoImage {
		image.Within(st, container.ImageUsers).Built(res.Image.ID, o.Names)
	}
	if err := writeOutputs(e, c, st, o, res, out); err != nil {
		return err
	}
	if err := writeBuildFiles(e, c, o, res); err != nil {
		return err
	}
	if c.Bool("quiet") && !toStdout(out) && !o.NoImage {
		fmt.Fprintln(e.Stdout, "sha256:"+res.Image.ID)
	}
	return nil
}

// writeBuildFiles writes what scripts read of a build that succeeded.
func writeBuildFiles(e *command.Env, c *cli.Context, o dockerfile.Options, res dockerfile.Result) error {
	if o.NoImage {
		return nil
	}
	id := "sha256:" + res.Image.ID
	if file := c.String("iidfile"); file != "" {
		if err := command.WriteFile(e, file, []byte(id)); err != nil {
			return fmt.Errorf("write image ID file: %w", err)
		}
	}
	file := c.String("metadata-file")
	if file == "" {
		return nil
	}
	about := map[string]string{"containerimage.config.digest": id, "containerimage.digest": id}
	if len(o.Names) > 0 {
		about["image.name"] = strings.Join(o.Names, ",")
	}
	data, err := json.MarshalIndent(about, "", "  ")
	if err == nil {
		err = command.WriteFile(e, file, data)
	}
	if err != nil {
		return fmt.Errorf("write metadata file: %w", err)
	}
	return nil
}

// printBuildError prints a failure as BuildKit does: the step with the end of
// its output, the lines of the Dockerfile, and the cause.
func printBuildError(e *command.Env, err error, show progress.Build) {
	var be *dockerfile.Error
	if errors.As(err, &be) {
		if be.Step > 0 {
			fmt.Fprintf(e.Stderr, "------\n > %s:\n", be.StepName)
			for _, l := range show.Tail(be.Step) {
				fmt.Fprintln(e.Stderr, l)
			}
			fmt.Fprintln(e.Stderr, "------")
		}
		fmt.Fprint(e.Stderr, be.Excerpt)
	}
	fmt.Fprintf(e.Stderr, "ERROR: failed to build: failed to solve: %v\n", err)
	if h := hint.Of(err); h != "" {
		fmt.Fprintln(e.Stderr, "hint: "+h)
	}
}

// baseImages finds base images for a build.
type baseImages struct {
	s      *image.Store
	access registry.Access
}

func (b *baseImages) Resolve(ctx context.Context, name, platform string, pull bool) (overlay.Details, error) {
	r := image.BaseRequest{Name: name, Platform: platform, Fresh: pull, Access: b.access}
	return b.s.Base(ctx, r, func(det overlay.Details) bool { return dockerfile.ForPlatform(det, platform) })
}
