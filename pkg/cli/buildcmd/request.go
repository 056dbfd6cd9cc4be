// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/dockerfile"
	"coracle/pkg/oci"
)

// buildRequest reads the flags and the argument.
func buildRequest(e *command.Env, c *cli.Context) (dockerfile.Request, error) {
	r := dockerfile.Request{
		Target: c.String("target"), Platform: c.String("platform"), NoCache: c.Bool("no-cache"), PullParent: c.Bool("pull"),
		ExtraHosts: c.StringSlice("add-host"), BuildArgs: buildArgs(c.StringSlice("build-arg")), Labels: map[string]string{},
		NoCacheFilter: c.StringSlice("no-cache-filter"), NetworkMode: c.String("network"), Access: command.Access(e),
	}
	if err := checkRefusedBuild(c); err != nil {
		return r, err
	}
	for _, t := range c.StringSlice("tag") {
		ref, err := oci.ParseRef(t)
		if err != nil || ref.Digest() != "" {
			return r, command.Errorf("invalid argument %q for \"-t, --tag\" flag: %v", t, oci.ErrInvalidReference)
		}
		r.Tags = append(r.Tags, ref.Name())
	}
	for _, l := range c.StringSlice("label") {
		k, v, _ := strings.Cut(l, "=")
		r.Labels[k] = v
	}
	err := r.Check()
	if err != nil {
		return r, err
	}
	if r.Secrets, err = parseSecrets(c.StringSlice("secret")); err != nil {
		return r, err
	}
	for _, v := range c.StringSlice("ulimit") {
		u, err := units.ParseUlimit(v)
		if err != nil {
			return r, command.Errorf("invalid argument %q for \"--ulimit\" flag: %v", v, err)
		}
		r.Ulimits = append(r.Ulimits, *u)
	}
	if r.Contexts, err = buildContexts(c.StringSlice("build-context")); err != nil {
		return r, err
	}
	if s := c.String("shm-size"); s != "" {
		if r.ShmSize, err = units.RAMInBytes(s); err != nil {
			return r, command.Errorf("invalid argument %q for \"--shm-size\" flag: %v", s, err)
		}
	}
	return r, sources(e, c.Args().First(), c.String("file"), &r)
}

// buildArgs reads NAME=VALUE, and NAME for that of our environment, if it is set.
func buildArgs(list []string) map[string]string {
	args := map[string]string{}
	for _, a := range list {
		k, v, ok := strings.Cut(a, "=")
		if !ok {
			if v, ok = os.LookupEnv(k); !ok {
				continue
			}
		}
		args[k] = v
	}
	if v, ok := os.LookupEnv("SOURCE_DATE_EPOCH"); ok { // as for buildx
		if _, ok := args["SOURCE_DATE_EPOCH"]; !ok {
			args["SOURCE_DATE_EPOCH"] = v
		}
	}
	return args
}

// sources finds the context, which arg names, and the Dockerfile.
func sources(e *command.Env, arg, file string, r *dockerfile.Request) (err error) {
	switch file {
	case "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0":
		file = "-"
	}
	if arg == "-" {
		if file == "-" {
			return command.Errorf("invalid argument: can't use stdin for both build context and dockerfile")
		}
		if file == "" {
			file = defaultFile
		}
		r.Source, r.Dockerfile = e.Stdin, file
		return nil
	}
	if r.ContextDir, err = contextDir(arg); err != nil {
		return err
	}
	switch {
	case file == "-":
		r.Source, r.Dockerfile = e.Stdin, defaultFile
	case isDescriptor(file): // a shell's <(command)
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("failed to read dockerfile: %w", err)
		}
		r.Source, r.Dockerfile = f, defaultFile
	default:
		r.Dockerfile, err = dockerfilePath(r.ContextDir, file)
	}
	return err
}

const defaultFile = "Dockerfile"

// contextDir is the directory of a context, without links.
func contextDir(arg string) (string, error) {
	if strings.Contains(arg, "://") || strings.HasPrefix(arg, "git@") {
		return "", command.Errorf("unable to prepare context: remote contexts are not supported: clone %q and build the directory", arg)
	}
	info, err := os.Stat(arg)
	if err != nil {
		return "", command.Errorf("unable to prepare context: path %q not found", arg)
	}
	if !info.IsDir() {
		return "", command.Errorf("unable to prepare context: path %q is not a directory", arg)
	}
	dir, err := filepath.Abs(arg)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// dockerfilePath is where the Dockerfile is that --file names, or does not.
func dockerfilePath(dir, file string) (string, error) {
	if file == "" {
		name := filepath.Join(dir, defaultFile)
		if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
			lower := filepath.Join(dir, "dockerfile")
			if _, err := os.Stat(lower); err == nil {
				name = lower
			}
		}
		return name, nil
	}
	name, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	// As buildx: a name that is not here may be in the context.
	if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) && !filepath.IsAbs(file) {
		if in := filepath.Join(dir, file); exists(in) {
			name = in
		}
	}
	return name, nil
}

// isDescriptor reports whether a name means a file that this process has open.
func isDescriptor(file string) bool {
	return file == "/dev/stdin" || strings.HasPrefix(file, "/dev/fd/") || strings.HasPrefix(file, "/proc/self/fd/")
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}
