// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/parse"
)

// sources are what a build is made from.
type sources struct {
	*job
	file    *parse.File
	context *files.Tree // nil without one
	sums    *files.Sums
}

func (b *sources) close() {
	if b.context != nil {
		b.context.Close()
	}
}

// load reads the Dockerfile, the ignore file and the context.
func (b *sources) load() error {
	v := b.tell.start("[internal] load build definition from " + shownFile(b.o.Dockerfile))
	source, err := b.readDockerfile()
	if err != nil {
		return v.fail(err)
	}
	v.status(fmt.Sprintf("transferring dockerfile: %dB done", len(source)))
	v.finish()
	if b.file, err = parse.Parse(shownFile(b.o.Dockerfile), source); err != nil {
		return err
	}
	return b.openContext()
}

// openContext opens the directory that COPY reads, without what .dockerignore
// names. DOCKERFILE.dockerignore, beside the Dockerfile, counts before it.
func (b *sources) openContext() error {
	v := b.tell.start("[internal] load .dockerignore")
	if b.context == nil && b.o.ContextDir == "" {
		v.finish()
		return nil
	}
	if b.context == nil {
		t, err := files.OpenTree(b.o.ContextDir, nil)
		if err != nil {
			return v.fail(fmt.Errorf("open build context: %w", err))
		}
		b.context = t
	}
	t := b.context
	patterns, err := readIgnore(b.openIgnoreFile())
	if err != nil {
		return v.fail(err)
	}
	if t.Ignore, err = patternmatcher.New(patterns); err != nil {
		return v.fail(fmt.Errorf("read .dockerignore: %w", err))
	}
	if b.o.ContextDir != "" { // what an archive had is gone after the build
		b.sums = files.LoadSums(b.st.Dirs().BuildCache(), t.Path())
		t.Sums = b.sums
	}
	v.finish()
	return nil
}

// readIgnore reads an ignore file that has been opened, or was not there.
func readIgnore(f *os.File, err error) ([]string, error) {
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	defer f.Close()
	data, err := readBounded(f)
	var patterns []string
	if err == nil {
		patterns, err = ignorefile.ReadAll(bytes.NewReader(data))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shownFile(f.Name()), err)
	}
	return patterns, nil
}

func (b *sources) openIgnoreFile() (*os.File, error) {
	var f *os.File
	err := os.ErrNotExist
	switch {
	case b.o.Source == nil:
		f, err = os.OpenFile(b.o.Dockerfile+".dockerignore", openFlags, 0)
	case b.o.ContextDir == "":
		f, err = b.context.Root().OpenFile(files.InTree(b.o.Dockerfile+".dockerignore"), openFlags, 0)
	}
	if errors.Is(err, os.ErrNotExist) {
		f, err = b.context.Root().OpenFile(".dockerignore", openFlags, 0)
	}
	return f, err
}
