// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/cancel"
)

// archiveFile is an image archive on disk and where its members are in it.
// Nothing of it is ever extracted under a name of its own: members are read
// from where they lie.
type archiveFile struct {
	f       *os.File
	members map[string]member
	own     bool // f is ours, and has no name any more
}

type member struct {
	off, size int64
	link      string // of a symbolic or hard link: the member it means
}

// maxMembers is what an archive may hold: three times the layers of as many
// images as anybody saves at once.
const maxMembers = 100_000

// scratcher has a directory for what must not outlive this process.
type scratcher interface{ Scratch() (string, error) }

// openArchive makes members of in addressable. A plain file is used as it is;
// a pipe, or anything compressed, is written to a file without a name first,
// which is gone when this process is.
func openArchive(ctx context.Context, st scratcher, in *os.File) (*archiveFile, error) {
	a := &archiveFile{f: in, members: map[string]member{}}
	if !plainTar(in) {
		scratch, err := st.Scratch()
		if err != nil {
			return nil, err
		}
		f, err := os.CreateTemp(scratch, "load-")
		if err != nil {
			return nil, err
		}
		a.f, a.own = f, true
		if err := errors.Join(os.Remove(f.Name()), spool(ctx, f, in)); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	if err := a.scan(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// plainTar reports whether members can be read in place.
func plainTar(in *os.File) bool {
	var magic [5]byte
	if _, err := in.ReadAt(magic[:], 257); err != nil || string(magic[:]) != "ustar" {
		return false
	}
	at, err := in.Seek(0, io.SeekCurrent)
	return err == nil && at == 0
}

func spool(ctx context.Context, to *os.File, in io.Reader) error {
	plain, err := Decompress(cancel.Reader(ctx, in))
	if err != nil {
		return err
	}
	defer plain.Close()
	_, err = io.Copy(to, plain)
	return err
}

func (a *archiveFile) Close() error {
	if a.own {
		return a.f.Close()
	}
	return nil
}

func (a *archiveFile) scan(ctx context.Context) error {
	if _, err := a.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	t := tar.NewReader(a.f)
	for n := 0; ; n++ {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if n >= maxMembers {
			return fmt.Errorf("read archive: more than %d members", maxMembers)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		off, err := a.f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			for k := range h.PAXRecords {
				if strings.HasPrefix(k, "GNU.sparse.") {
					return fmt.Errorf("read archive: %.100q is sparse", name)
				}
			}
			a.members[name] = member{off: off, size: h.Size}
		case tar.TypeSymlink: // as in archives of before 2017, for layers that are equal
			a.members[name] = member{link: path.Join(path.Dir(name), h.Linkname)}
		case tar.TypeLink:
			a.members[name] = member{link: path.Clean(h.Linkname)}
		}
	}
}

func (a *archiveFile) has(name string) bool {
	_, ok := a.members[name]
	return ok
}

// open finds a member: in the archive, so a link out of it leads nowhere.
func (a *archiveFile) open(name string) (*io.SectionReader, error) {
	name = path.Clean(name)
	for range 8 {
		m, ok := a.members[name]
		if !ok {
			return nil, fmt.Errorf("read archive: no %.200q in it", name)
		}
		if m.link == "" {
			return io.NewSectionReader(a.f, m.off, m.size), nil
		}
		name = m.link
	}
	return nil, fmt.Errorf("read archive: too many links at %.200q", name)
}

func (a *archiveFile) read(name string, limit int64) ([]byte, error) {
	r, err := a.open(name)
	if err != nil {
		return nil, err
	}
	if r.Size() > limit {
		return nil, fmt.Errorf("read archive: %.200q is longer than %d MiB", name, limit>>20)
	}
	return io.ReadAll(r)
}

// blob opens a member of an OCI layout, whose size is checked here and whose
// digest by whoever reads it.
func (a *archiveFile) blob(d ocispec.Descriptor) (*io.SectionReader, error) {
	if err := checkDescriptor(d); err != nil {
		return nil, err
	}
	r, err := a.open(blobPath(d.Digest))
	if err == nil && r.Size() != d.Size {
		err = fmt.Errorf("read archive: blob %s has %d bytes, %d expected", d.Digest, r.Size(), d.Size)
	}
	return r, err
}

// readBlob reads and verifies a small one.
func (a *archiveFile) readBlob(d ocispec.Descriptor, limit int64) ([]byte, error) {
	r, err := a.blob(d)
	if err != nil {
		return nil, err
	}
	data, err := a.read(blobPath(d.Digest), limit)
	if err != nil {
		return nil, err
	}
	if r.Size() != int64(len(data)) || !bytes.Equal([]byte(digest.FromBytes(data)), []byte(d.Digest)) {
		return nil, fmt.Errorf("read archive: blob %s is something else", d.Digest)
	}
	return data, nil
}
