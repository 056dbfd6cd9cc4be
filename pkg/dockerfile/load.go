// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"errors"
	"fmt"
	"os"

	"github.com/moby/patternmatcher"

	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/parse"
)

// sources are what a build is made from.
type sources struct {
	*exec.Job
	req     *Request
	file    *parse.File
	context *files.Tree // nil without one
	sums    *files.Sums
	client  *asker // nil without one
}

func (b *sources) close() {
	if b.context != nil {
		b.context.Close()
	}
}

// load reads the Dockerfile, the ignore file and the context.
func (b *sources) load() error {
	v := b.Tell.Start("[internal] load build definition from " + shownFile(b.req.Dockerfile))
	source, err := b.readDockerfile()
	if err != nil {
		return v.Fail(err)
	}
	v.Status(fmt.Sprintf("transferring dockerfile: %dB done", len(source)))
	if text := ways(b.Store); text != "" {
		v.Status(text)
	}
	v.Finish()
	if b.file, err = parse.Parse(shownFile(b.req.Dockerfile), source); err != nil {
		return err
	}
	return b.openContext()
}

// openContext opens the directory that COPY reads, without what .dockerignore
// names. DOCKERFILE.dockerignore, beside the Dockerfile, counts before it.
func (b *sources) openContext() error {
	v := b.Tell.Start("[internal] load .dockerignore")
	if b.context == nil && b.req.ContextDir == "" { // or the client leaves out what it names
		v.Finish()
		return nil
	}
	if b.context == nil {
		t, err := files.OpenTree(b.req.ContextDir, nil)
		if err != nil {
			return v.Fail(fmt.Errorf("open build context: %w", err))
		}
		b.context = t
	}
	t := b.context
	patterns, err := files.ReadIgnore(b.openIgnoreFile())
	if err != nil {
		return v.Fail(err)
	}
	if t.Ignore, err = patternmatcher.New(patterns); err != nil {
		return v.Fail(fmt.Errorf("read .dockerignore: %w", err))
	}
	if b.req.ContextDir != "" { // what an archive had is gone after the build
		b.sums = files.LoadSums(b.Store.Dirs().BuildCache(), t.Path())
		t.Sums = b.sums
	}
	v.Finish()
	return nil
}

func (b *sources) openIgnoreFile() (*os.File, error) {
	var f *os.File
	err := os.ErrNotExist
	switch {
	case b.req.Source == nil:
		f, err = os.OpenFile(b.req.Dockerfile+".dockerignore", files.OpenFlags, 0)
	case b.req.ContextDir == "":
		f, err = b.context.Root().OpenFile(files.InTree(b.req.Dockerfile+".dockerignore"), files.OpenFlags, 0)
	}
	if errors.Is(err, os.ErrNotExist) {
		f, err = b.context.Root().OpenFile(".dockerignore", files.OpenFlags, 0)
	}
	return f, err
}
