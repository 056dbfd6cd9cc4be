// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/dockerfile"
	"coracle/pkg/image"
	"coracle/pkg/oci"
)

// buildOutput is one --output: TYPE with a destination.
type buildOutput struct {
	kind    string // image, docker, oci, local, tar, cacheonly
	dest    string // "-" is standard output
	push    bool
	rewrite bool     // times after SOURCE_DATE_EPOCH
	names   []string // canonical
}

// buildOutputs reads --output, --push and what of them concerns the build.
func buildOutputs(e *command.Env, c *cli.Context) ([]buildOutput, error) {
	var list []buildOutput
	for _, v := range c.StringSlice("output") {
		o, err := parseOutput(e, v)
		if err != nil {
			return nil, err
		}
		if o.dest == "-" && command.IsTerminal(e.Stdout) {
			return nil, command.Errorf("dest file is required for %s exporter. refusing to write to console", o.kind)
		}
		list = append(list, o)
	}
	if c.Bool("push") {
		list = append(list, buildOutput{kind: "image", push: true})
	}
	return list, nil
}

func parseOutput(e *command.Env, v string) (buildOutput, error) {
	if v == "-" {
		return buildOutput{kind: "tar", dest: "-"}, nil
	}
	if !strings.Contains(v, "=") {
		return buildOutput{kind: "local", dest: v}, nil
	}
	var o buildOutput
	for _, field := range strings.Split(v, ",") {
		key, val, ok := strings.Cut(field, "=")
		if !ok {
			return o, command.Errorf("invalid value %s", field)
		}
		if err := outputField(e, &o, strings.ToLower(key), val); err != nil {
			return o, err
		}
	}
	return o, o.check()
}

func outputField(e *command.Env, o *buildOutput, key, val string) error {
	switch key {
	case "type":
		o.kind = val
	case "dest":
		o.dest = val
	case "push", "rewrite-timestamp":
		on, err := strconv.ParseBool(val)
		if err != nil {
			return command.Errorf("invalid value for %s: %s", key, val)
		}
		if key == "push" {
			o.push = on
		} else {
			o.rewrite = on
		}
	case "name":
		ref, err := oci.ParseRef(val)
		if err != nil {
			return err
		}
		o.names = append(o.names, ref.Name())
	default:
		e.Warn("--output %s has no effect", key)
	}
	return nil
}

func (o *buildOutput) check() error {
	switch o.kind {
	case "":
		return command.Errorf("type is required for output")
	case "registry":
		o.kind, o.push = "image", true
	case "image", "cacheonly":
	case "docker":
		if o.dest == "" {
			o.kind = "image"
		}
	case "local":
		if o.dest == "" || o.dest == "-" {
			return command.Errorf("dest is required for local exporter")
		}
	case "tar", "oci":
		if o.dest == "" {
			o.dest = "-"
		}
	default:
		return command.Errorf("output type %q is not supported: use local, tar, oci, docker, image, registry or cacheonly", o.kind)
	}
	return nil
}

// archiveFile is the file of an archive while it is written: beside its place,
// so that a build that fails leaves no part.
type archiveFile struct {
	*os.File
	dest string // where it goes to, or empty: it is there
	mode os.FileMode
}

func createArchive(e *command.Env, dest string) (*archiveFile, error) {
	if info, err := os.Stat(dest); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(dest, os.O_WRONLY, 0)
		return &archiveFile{File: f}, err
	}
	f, err := os.CreateTemp(filepath.Dir(dest), ".coracle-build-")
	var at *fs.PathError
	if errors.As(err, &at) {
		at.Path = dest // which the user knows
	}
	return &archiveFile{f, dest, command.FileMode(e)}, err
}

func (a *archiveFile) finish(ok bool) error {
	err := a.Close()
	if a.dest == "" {
		return err
	}
	if ok && err == nil {
		err = errors.Join(os.Chmod(a.Name(), a.mode), os.Rename(a.Name(), a.dest))
	}
	if !ok || err != nil {
		_ = os.Remove(a.Name())
	}
	return err
}

// applyOutputs tells the build of its outputs. finish ends the files that are
// written to.
func applyOutputs(e *command.Env, r *dockerfile.Request, list []buildOutput) (finish func(ok bool) error, err error) {
	var files []*archiveFile
	finish = func(ok bool) error {
		var errs []error
		for _, f := range files {
			errs = append(errs, f.finish(ok))
		}
		return errors.Join(errs...)
	}
	for _, out := range list {
		r.Tags = append(r.Tags, out.names...)
		r.RewriteTimes = r.RewriteTimes || out.rewrite
		d := dockerfile.Destination{Type: out.kind}
		switch {
		case out.kind == "local":
			if d.Dir, err = filepath.Abs(out.dest); err != nil {
				return finish, err
			}
		case out.dest == "-":
			d.File = e.Stdout.File
		case out.dest != "" && out.kind != "image" && out.kind != "cacheonly":
			f, err := createArchive(e, out.dest)
			if err != nil {
				return finish, err
			}
			files = append(files, f)
			d.File = f.File
		}
		r.Outputs = append(r.Outputs, d)
	}
	return finish, nil
}

// lostArchive is how a build ends whose image is there, and its archive is not.
func lostArchive(e *command.Env, err error, list []buildOutput) error {
	if toStdout(list) {
		return command.LostArchive(e, err)
	}
	return err
}

// pushOutputs sends the image to registries, where an output says so, and returns the
// digest that it has there.
func pushOutputs(ctx context.Context, e *command.Env, names []string, list []buildOutput) (digest string, err error) {
	if !pushes(list) {
		return "", nil
	}
	images, err := command.Images(e)
	if err != nil {
		return "", err
	}
	for _, n := range names {
		pushed, err := images.Push(ctx, image.PushRequest{Name: n, Access: command.Access(e)}, nil)
		if err != nil {
			return "", fmt.Errorf("failed to push %s: %w", oci.Familiar(n), err)
		}
		for _, p := range pushed {
			digest = string(p.Digest)
			fmt.Fprintf(e.Stderr, "pushed %s@%s\n", oci.Familiar(n), p.Digest)
		}
	}
	return digest, nil
}

func pushes(list []buildOutput) bool {
	return slices.ContainsFunc(list, func(o buildOutput) bool { return o.push })
}

// toStdout reports whether standard output is a result's.
func toStdout(list []buildOutput) bool {
	for _, o := range list {
		if o.dest == "-" {
			return true
		}
	}
	return false
}
