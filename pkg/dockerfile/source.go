// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/parse"
	"coracle/pkg/oci"
)

// errNotRegular is said of a Dockerfile, or an ignore file, that is a pipe or a
// device: reading it may never end.
var errNotRegular = errors.New("not a regular file")

// readBounded reads a file of the user's, or of a context, to its end.
func readBounded(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, unix.EISDIR
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	return readLimited(f)
}

func readLimited(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, parse.MaxSize+1))
	if err == nil && len(data) > parse.MaxSize {
		err = fmt.Errorf("larger than %d bytes", parse.MaxSize)
	}
	return data, err
}

// open flags that neither wait for the other end of a pipe nor take a terminal.
const openFlags = os.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY

// readDockerfile reads it from standard input, from the archive that is the
// context, or from where the user says.
func (b *sources) readDockerfile() ([]byte, error) {
	data, err := b.readSource()
	if err != nil {
		return nil, fmt.Errorf("failed to read dockerfile: %w", err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("the Dockerfile (%s) cannot be empty", shownFile(b.o.Dockerfile))
	}
	return data, nil
}

func (b *sources) readSource() ([]byte, error) {
	var f *os.File
	var err error
	switch {
	case b.o.Source == nil:
		f, err = os.OpenFile(b.o.Dockerfile, openFlags, 0)
	case b.o.ContextDir != "":
		return readLimited(&canceledReader{b.ctx, b.o.Source})
	default:
		in := bufio.NewReader(&canceledReader{b.ctx, b.o.Source})
		if !startsArchive(in) {
			return readLimited(in)
		}
		if err := b.unpackContext(in); err != nil {
			return nil, err
		}
		f, err = b.openInContext()
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return nil, &fs.PathError{Op: "open", Path: shownFile(b.o.Dockerfile), Err: pe.Err}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readBounded(f)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: shownFile(b.o.Dockerfile), Err: err}
	}
	return data, nil
}

// openInContext opens the Dockerfile that is in the archive.
func (b *sources) openInContext() (*os.File, error) {
	if b.o.Dockerfile == "" {
		b.o.Dockerfile = "Dockerfile"
	}
	f, err := b.context.Root().OpenFile(files.InTree(b.o.Dockerfile), openFlags, 0)
	if errors.Is(err, fs.ErrNotExist) && b.o.Dockerfile == "Dockerfile" {
		if lower, lerr := b.context.Root().OpenFile("dockerfile", openFlags, 0); lerr == nil {
			return lower, nil
		}
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

// unpackContext unpacks the archive that is the context. Owners do not count
// in a context.
func (b *sources) unpackContext(in io.Reader) error {
	archive, err := b.spool(in)
	if err != nil {
		return fmt.Errorf("read build context: %w", err)
	}
	defer archive.Close()
	dir, err := b.trees.tempDir("context-")
	if err != nil {
		return err
	}
	if b.context, err = files.OpenTree(dir, func() { _ = os.RemoveAll(dir) }); err != nil {
		return err
	}
	to, err := files.OpenTarget(dir, nil)
	if err != nil {
		return err
	}
	defer to.Close()
	p := &files.Copy{Verb: "context", Dest: "/", Chown: "0:0", Warn: b.warn}
	if err := errors.Join(p.AddArchive(archive, "data"), p.Write(b.ctx, to)); err != nil {
		return fmt.Errorf("unpack build context: %w", err)
	}
	return nil
}

// spool keeps a stream in a file, "data", in a tree of its own.
func (b *sources) spool(in io.Reader) (*files.Tree, error) {
	dir, err := b.trees.tempDir("spool-")
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

// canceledReader ends when the build is canceled, also while it waits for what
// never comes.
type canceledReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *canceledReader) Read(p []byte) (int, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	buf := make([]byte, len(p)) // p is the caller's again when we are canceled
	go func() {
		n, err := c.r.Read(buf)
		done <- result{buf[:n], err}
	}()
	select {
	case <-c.ctx.Done():
		return 0, c.ctx.Err()
	case got := <-done:
		return copy(p, got.data), got.err
	}
}

// shownFile is what a Dockerfile is called in messages.
func shownFile(p string) string {
	if p == "" || p == "-" {
		return "Dockerfile"
	}
	return path.Base(strings.TrimSuffix(p, "/"))
}
