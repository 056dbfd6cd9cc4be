// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"coracle/pkg/cli/command"

	"github.com/urfave/cli/v2"

	"coracle/pkg/dockerfile"
	"coracle/pkg/oci"
	"coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
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
func applyOutputs(e *command.Env, o *dockerfile.Options, list []buildOutput) (finish func(ok bool) error, err error) {
	var files []*archiveFile
	finish = func(ok bool) error {
		var errs []error
		for _, f := range files {
			errs = append(errs, f.finish(ok))
		}
		return errors.Join(errs...)
	}
	o.NoImage = len(list) > 0
	for _, out := range list {
		o.Names = append(o.Names, out.names...)
		o.RewriteTimes = o.RewriteTimes || out.rewrite
		switch out.kind {
		case "local":
			dir, err := filepath.Abs(out.dest)
			if err != nil {
				return finish, err
			}
			o.Outputs = append(o.Outputs, dockerfile.Destination{Dir: dir})
		case "tar":
			if out.dest == "-" {
				o.Outputs = append(o.Outputs, dockerfile.Destination{Tar: e.Stdout})
				continue
			}
			f, err := createArchive(e, out.dest)
			if err != nil {
				return finish, err
			}
			files = append(files, f)
			o.Outputs = append(o.Outputs, dockerfile.Destination{Tar: f})
		case "image", "docker", "oci":
			o.NoImage = false
		}
	}
	return finish, nil
}

// writeOutputs sends an image where it is to go besides the store.
func writeOutputs(e *command.Env, c *cli.Context, st *overlay.Store, o dockerfile.Options, res dockerfile.Result, list []buildOutput) error {
	for _, out := range list {
		if out.kind == "docker" || out.kind == "oci" {
			images := []oci.SaveImage{{ID: res.Image.ID, Names: o.Names}}
			save := func(f *os.File) error { return oci.Save(c.Context, st, f, images) }
			var err error
			if out.dest == "-" {
				err = oci.Save(c.Context, st, e.Stdout, images)
			} else {
				err = command.SaveFile(out.dest, save)
			}
			if err != nil {
				return err
			}
		}
		if out.push {
			if err := pushBuilt(e, c, st, o.Names); err != nil {
				return err
			}
		}
	}
	return nil
}

func pushBuilt(e *command.Env, c *cli.Context, st *overlay.Store, names []string) error {
	if len(names) == 0 {
		return command.Errorf("tag is needed when pushing to registry")
	}
	reg, err := registry.New(command.Access(e))
	if err != nil {
		return err
	}
	for _, n := range names {
		ref, err := oci.ParseRef(n)
		if err != nil {
			return err
		}
		img, _, err := e.Image(ref.Name())
		if err != nil {
			return err
		}
		got, err := oci.Push(c.Context, st, reg, ref, img, nil)
		if err != nil {
			return fmt.Errorf("failed to push %s: %w", ref.Familiar(), err)
		}
		fmt.Fprintf(e.Stderr, "pushed %s@%s\n", ref.Familiar(), got.Digest)
	}
	return nil
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
