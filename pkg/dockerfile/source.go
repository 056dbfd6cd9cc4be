// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"coracle/pkg/cancel"
	"coracle/pkg/dockerfile/files"
	"coracle/pkg/oci"
)

// readDockerfile reads it from standard input, from the archive that is the
// context, or from where the user says.
func (b *sources) readDockerfile() ([]byte, error) {
	data, err := b.readSource()
	if err != nil && b.req.Archive { // as the builder says it that took archives alone
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("failed to read dockerfile: %w", err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("the Dockerfile (%s) cannot be empty", shownFile(b.req.Dockerfile))
	}
	return data, nil
}

func (b *sources) readSource() ([]byte, error) {
	var f *os.File
	var err error
	switch {
	case b.req.Source == nil:
		f, err = os.OpenFile(b.req.Dockerfile, files.OpenFlags, 0)
	case b.req.ContextDir != "" || b.client != nil && !b.req.Archive:
		return files.ReadLimited(cancel.WaitingReader(b.Ctx, b.req.Source))
	default:
		in := bufio.NewReader(cancel.WaitingReader(b.Ctx, b.req.Source))
		if !b.req.Archive && !startsArchive(in) {
			return files.ReadLimited(in)
		}
		if b.context, err = b.unpackContext(in); err != nil {
			return nil, err
		}
		f, err = b.openInContext()
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return nil, &fs.PathError{Op: "open", Path: shownFile(b.req.Dockerfile), Err: pe.Err}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := files.ReadBounded(f)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: shownFile(b.req.Dockerfile), Err: err}
	}
	return data, nil
}

// openInContext opens the Dockerfile that is in the archive.
func (b *sources) openInContext() (*os.File, error) {
	if b.req.Dockerfile == "" {
		b.req.Dockerfile = "Dockerfile"
	}
	f, err := b.context.Root().OpenFile(files.InTree(b.req.Dockerfile), files.OpenFlags, 0)
	if errors.Is(err, fs.ErrNotExist) && b.req.Dockerfile == "Dockerfile" {
		if lower, lerr := b.context.Root().OpenFile("dockerfile", files.OpenFlags, 0); lerr == nil {
			return lower, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) && b.req.Archive {
		return nil, fmt.Errorf("Cannot locate specified Dockerfile: %s", b.req.Dockerfile) //nolint:staticcheck // Docker's words
	}
	return f, err
}

const tarBlock = 512

// startsArchive reports whether a stream is an archive rather than a
// Dockerfile: compressed, or with the mark of a tar header.
func startsArchive(in *bufio.Reader) bool {
	head, _ := in.Peek(tarBlock)
	if oci.IsCompressed(head) {
		return true
	}
	const magic = 257 // offset in the header, POSIX ustar and GNU tar
	return len(head) == tarBlock && string(head[magic:magic+5]) == "ustar"
}

// unpackContext unpacks the archive that is a context. Owners do not count in one.
func (b *sources) unpackContext(in io.Reader) (*files.Tree, error) {
	archive, err := b.spool(in)
	if err != nil {
		return nil, fmt.Errorf("read build context: %w", err)
	}
	defer archive.Close()
	dir, err := b.Trees.TempDir("context-")
	if err != nil {
		return nil, err
	}
	t, err := files.OpenTree(dir, func() { _ = os.RemoveAll(dir) })
	if err != nil {
		return nil, err
	}
	to, err := files.OpenTarget(dir, nil)
	if err != nil {
		t.Close()
		return nil, err
	}
	defer to.Close()
	p := &files.Copy{Verb: "context", Dest: "/", Chown: "0:0", Warn: b.Warn}
	if err := errors.Join(p.AddArchive(archive, "data"), p.Write(b.Ctx, to)); err != nil {
		t.Close()
		return nil, fmt.Errorf("unpack build context: %w", err)
	}
	return t, nil
}

// spool keeps a stream in a file, "data", in a tree of its own.
func (b *sources) spool(in io.Reader) (*files.Tree, error) {
	dir, err := b.Trees.TempDir("spool-")
	if err != nil {
		return nil, err
	}
	t, err := files.OpenTree(dir, func() { _ = os.RemoveAll(dir) })
	if err != nil {
		return nil, err
	}
	f, err := t.Root().OpenFile("data", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = io.Copy(f, in)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// shownFile is what a Dockerfile is called in messages.
func shownFile(p string) string {
	if p == "" || p == "-" {
		return "Dockerfile"
	}
	return path.Base(strings.TrimSuffix(p, "/"))
}
