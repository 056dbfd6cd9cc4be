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

	"coracle/pkg/cli/progress"
	"coracle/pkg/dockerfile"
	"coracle/pkg/oci"
)

// Build is the command build: build an image from a Dockerfile.
func Build(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "build", Usage: "Build an image from a Dockerfile", ArgsUsage: "PATH | -",
		Flags: append(buildFlags(), idleBuildFlags()...),
		Action: func(c *cli.Context) error {
			if err := command.NeedArgs(e, c, 1, 1); err != nil {
				return err
			}
			r, err := buildRequest(e, c)
			if err != nil {
				return err
			}
			out, err := buildOutputs(e, c)
			if err != nil {
				return err
			}
			warnIdleBuild(e, c)
			ctx, stop := command.UntilSignal(c.Context)
			defer stop()
			if call := c.String("call"); call != "" && call != "build" {
				return command.Ended(ctx, runDescribe(ctx, e, c, r))
			}
			return command.Ended(ctx, runBuild(ctx, e, c, r, out))
		},
	}
}

func buildRequest(e *command.Env, c *cli.Context) (dockerfile.Request, error) {
	o := dockerfile.Request{
		Target: c.String("target"), Platform: c.String("platform"), NoCache: c.Bool("no-cache"), PullParent: c.Bool("pull"),
		ExtraHosts: c.StringSlice("add-host"), BuildArgs: map[string]string{}, Labels: map[string]string{},
		NoCacheFilter: c.StringSlice("no-cache-filter"), NetworkMode: c.String("network"), Access: command.Access(e),
	}
	if err := checkRefusedBuild(c); err != nil {
		return o, err
	}
	for _, t := range c.StringSlice("tag") {
		ref, err := oci.ParseRef(t)
		if err != nil || ref.Digest() != "" {
			return o, command.Errorf("invalid argument %q for \"-t, --tag\" flag: %v", t, oci.ErrInvalidReference)
		}
		o.Tags = append(o.Tags, ref.Name())
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
	err := o.Check()
	if err != nil {
		return o, err
	}
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
	return o, buildSources(e, c, &o)
}

// buildSources finds the context and the Dockerfile.
func buildSources(e *command.Env, c *cli.Context, o *dockerfile.Request) error {
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

// isDescriptor reports whether a name means a file that this process has open.
func isDescriptor(file string) bool {
	return file == "/dev/stdin" || strings.HasPrefix(file, "/dev/fd/") || strings.HasPrefix(file, "/proc/self/fd/")
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

func runBuild(ctx context.Context, e *command.Env, c *cli.Context, o dockerfile.Request, out []buildOutput) error {
	d, err := e.Open()
	if err != nil {
		return err
	}
	show, err := progress.NewBuild(e.Stderr, progressMode(c))
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
	res, err := dockerfile.Build(ctx, d, o, show.Event)
	show.Close()
	if ferr := finish(err == nil); err == nil && ferr != nil {
		return ferr
	}
	var failed *dockerfile.Error
	if errors.As(err, &failed) {
		printBuildError(e, failed, show)
		return command.Exit(1)
	}
	if err != nil && res.Image.ID == "" {
		return err
	}
	for _, w := range res.Warnings {
		fmt.Fprintln(e.Stderr, "[Warning] "+w)
	}
	if err != nil {
		return lostArchive(e, err, out)
	}
	if err := pushOutputs(ctx, e, o.Tags, out); err != nil {
		return err
	}
	if err := writeBuildFiles(e, c, o, res); err != nil {
		return err
	}
	if c.Bool("quiet") && !toStdout(out) && o.KeepsImage() {
		fmt.Fprintln(e.Stdout, "sha256:"+res.Image.ID)
	}
	return nil
}

// progressMode is how a build is shown.
func progressMode(c *cli.Context) string {
	if c.Bool("quiet") {
		return "quiet"
	}
	return c.String("progress")
}

// writeBuildFiles writes what scripts read of a build that succeeded.
func writeBuildFiles(e *command.Env, c *cli.Context, o dockerfile.Request, res dockerfile.Result) error {
	if !o.KeepsImage() {
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
	if len(o.Tags) > 0 {
		about["image.name"] = strings.Join(o.Tags, ",")
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
func printBuildError(e *command.Env, err *dockerfile.Error, show progress.Build) {
	if err.Step > 0 {
		fmt.Fprintf(e.Stderr, "------\n > %s:\n", err.StepName)
		for _, l := range show.Tail(err.Step) {
			fmt.Fprintln(e.Stderr, l)
		}
		fmt.Fprintln(e.Stderr, "------")
	}
	fmt.Fprintf(e.Stderr, "%sERROR: failed to build: failed to solve: %v\n", err.Excerpt, err)
	if h := err.Hint(); h != "" {
		fmt.Fprintln(e.Stderr, "hint: "+h)
	}
}
