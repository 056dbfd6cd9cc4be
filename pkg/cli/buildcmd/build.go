// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/progress"
	"coracle/pkg/dockerfile"
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

func runBuild(ctx context.Context, e *command.Env, c *cli.Context, o dockerfile.Request, out []buildOutput) error {
	d, err := e.Open()
	if err != nil {
		return err
	}
	if pushes(out) && len(o.Tags) == 0 && !slices.ContainsFunc(out, func(o buildOutput) bool { return len(o.names) > 0 }) {
		return command.Errorf("tag is needed when pushing to registry") // before all the work
	}
	show, err := progress.NewBuild(e.Stderr, progressMode(c))
	if err != nil {
		return command.Errorf("%v", err)
	}
	finish, err := applyOutputs(e, &o, out)
	if err != nil {
		return errors.Join(err, finish(false))
	}
	forgetBuildFiles(c)
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
	digest, err := pushOutputs(ctx, e, o.Tags, out)
	if err != nil {
		return err
	}
	if err := writeBuildFiles(e, c, o, res, digest); err != nil {
		return err
	}
	if c.Bool("quiet") && !toStdout(out) && o.KeepsImage() {
		fmt.Fprintln(e.Stdout, "sha256:"+res.Image.ID)
	}
	return nil
}

// forgetBuildFiles removes what writeBuildFiles wrote before: it says nothing of
// this build.
func forgetBuildFiles(c *cli.Context) {
	for _, file := range []string{c.String("iidfile"), c.String("metadata-file")} {
		if info, err := os.Stat(file); file != "" && err == nil && info.Mode().IsRegular() {
			_ = os.Remove(file)
		}
	}
}

// progressMode is how a build is shown.
func progressMode(c *cli.Context) string {
	if c.Bool("quiet") {
		return "quiet"
	}
	return c.String("progress")
}

// writeBuildFiles writes what scripts read of a build that succeeded. digest is that of
// the image in a registry, empty if it was not pushed.
func writeBuildFiles(e *command.Env, c *cli.Context, o dockerfile.Request, res dockerfile.Result, digest string) error {
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
	about := map[string]string{"containerimage.config.digest": id, "containerimage.digest": cmp.Or(digest, id)}
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
