// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/dockerfile"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

// output is one --output: TYPE with a destination.
type output struct {
	kind    string // image, docker, oci, local, tar, cacheonly
	dest    string // "-" is standard output
	push    bool
	rewrite bool     // times after SOURCE_DATE_EPOCH
	names   []string // canonical
}

// buildOutputs reads --output, --push and what of them concerns the build.
func (e *env) buildOutputs(c *cli.Context) ([]output, error) {
	var list []output
	for _, v := range c.StringSlice("output") {
		o, err := e.parseOutput(v)
		if err != nil {
			return nil, err
		}
		if o.dest == "-" && isTerminal(e.stdout) {
			return nil, cliErrorf("dest file is required for %s exporter. refusing to write to console", o.kind)
		}
		list = append(list, o)
	}
	if c.Bool("push") {
		list = append(list, output{kind: "image", push: true})
	}
	return list, nil
}

func (e *env) parseOutput(v string) (output, error) {
	if v == "-" {
		return output{kind: "tar", dest: "-"}, nil
	}
	if !strings.Contains(v, "=") {
		return output{kind: "local", dest: v}, nil
	}
	var o output
	for _, field := range strings.Split(v, ",") {
		key, val, ok := strings.Cut(field, "=")
		if !ok {
			return o, cliErrorf("invalid value %s", field)
		}
		if err := e.outputField(&o, strings.ToLower(key), val); err != nil {
			return o, err
		}
	}
	return o, o.check()
}

func (e *env) outputField(o *output, key, val string) error {
	switch key {
	case "type":
		o.kind = val
	case "dest":
		o.dest = val
	case "push", "rewrite-timestamp":
		on, err := strconv.ParseBool(val)
		if err != nil {
			return cliErrorf("invalid value for %s: %s", key, val)
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
		e.warn("--output %s has no effect", key)
	}
	return nil
}

func (o *output) check() error {
	switch o.kind {
	case "":
		return cliErrorf("type is required for output")
	case "registry":
		o.kind, o.push = "image", true
	case "image", "cacheonly":
	case "docker":
		if o.dest == "" {
			o.kind = "image"
		}
	case "local":
		if o.dest == "" || o.dest == "-" {
			return cliErrorf("dest is required for local exporter")
		}
	case "tar", "oci":
		if o.dest == "" {
			o.dest = "-"
		}
	default:
		return cliErrorf("output type %q is not supported: use local, tar, oci, docker, image, registry or cacheonly", o.kind)
	}
	return nil
}

// applyOutputs tells the build of its outputs. The file of an archive is made
// here; close ends it.
func (e *env) applyOutputs(o *dockerfile.Options, list []output) (closeAll func() error, err error) {
	var open []*os.File
	closeAll = func() error {
		var err error
		for _, f := range open {
			if cerr := f.Close(); err == nil {
				err = cerr
			}
		}
		return err
	}
	o.NoImage = len(list) > 0
	for _, out := range list {
		o.Names = append(o.Names, out.names...)
		o.RewriteTimes = o.RewriteTimes || out.rewrite
		switch out.kind {
		case "local":
			dir, err := filepath.Abs(out.dest)
			if err != nil {
				return closeAll, err
			}
			o.Outputs = append(o.Outputs, dockerfile.Destination{Dir: dir})
		case "tar":
			f := e.stdout
			if out.dest != "-" {
				if f, err = os.Create(out.dest); err != nil {
					return closeAll, err
				}
				open = append(open, f)
			}
			o.Outputs = append(o.Outputs, dockerfile.Destination{Tar: f})
		case "image", "docker", "oci":
			o.NoImage = false
		}
	}
	return closeAll, nil
}

// writeOutputs sends an image where it is to go besides the store.
func (e *env) writeOutputs(c *cli.Context, st *overlay.Store, o dockerfile.Options, res dockerfile.Result, list []output) error {
	for _, out := range list {
		if out.kind == "docker" || out.kind == "oci" {
			images := []oci.SaveImage{{ID: res.Image.ID, Names: o.Names}}
			var err error
			if out.dest == "-" {
				err = oci.Save(c.Context, st, e.stdout, images)
			} else {
				err = saveFile(c.Context, st, out.dest, images)
			}
			if err != nil {
				return err
			}
		}
		if out.push {
			if err := e.pushBuilt(c, st, o.Names); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *env) pushBuilt(c *cli.Context, st *overlay.Store, names []string) error {
	if len(names) == 0 {
		return cliErrorf("tag is needed when pushing to registry")
	}
	reg, err := e.registry()
	if err != nil {
		return err
	}
	for _, n := range names {
		ref, err := oci.ParseRef(n)
		if err != nil {
			return err
		}
		img, _, err := e.image(ref.Name())
		if err != nil {
			return err
		}
		got, err := oci.Push(c.Context, st, reg, ref, img, nil)
		if err != nil {
			return fmt.Errorf("failed to push %s: %w", ref.Familiar(), err)
		}
		fmt.Fprintf(e.stderr, "pushed %s@%s\n", ref.Familiar(), got.Digest)
	}
	return nil
}

// toStdout reports whether standard output is a result's.
func toStdout(list []output) bool {
	for _, o := range list {
		if o.dest == "-" {
			return true
		}
	}
	return false
}
