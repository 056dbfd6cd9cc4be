// SPDX-License-Identifier: Apache-2.0

package squashfs

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
)

// Attributes are the extended attributes of the root directory.
func (i *Image) Attributes() (map[string]string, error) {
	root, err := i.inode(i.super.Root)
	if err != nil {
		return nil, fmt.Errorf("read squashfs: %w", err)
	}
	return i.attributes(root)
}

// WriteTar writes all files as a tar archive, with their owners, modes, times,
// attributes, devices and hard links. Sockets are left out, and so is the attribute
// of the root directory that is named.
func (i *Image) WriteTar(ctx context.Context, w io.Writer, without string) error {
	t := &walk{i: i, ctx: ctx, tw: tar.NewWriter(w), without: paxXattr + without, seen: map[uint64]string{}}
	err := t.file(".", i.super.Root, 0)
	if err == nil {
		err = t.tw.Close()
	}
	if err != nil {
		return fmt.Errorf("read squashfs: %w", err)
	}
	return nil
}

type walk struct {
	i       *Image
	ctx     context.Context
	tw      *tar.Writer
	without string
	// seen has the first names of inodes: a file has several, a directory one, or a
	// hostile file system would have no end.
	seen  map[uint64]string
	names uint32
}

// file writes that of an inode, and what is in it.
func (t *walk) file(name string, ref uint64, depth int) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	if t.names++; t.names > maxInodes || depth > maxDepth {
		return errors.New("too many files, or too deep")
	}
	n, err := t.i.inode(ref)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	first, again := t.seen[ref]
	if !again {
		t.seen[ref] = name
	}
	switch {
	case depth == 0 && n.Kind != kindDir:
		return errors.New("its root is no directory")
	case again && n.Kind == kindDir:
		return fmt.Errorf("%s is %s again", name, first)
	case n.Kind == kindSocket:
		return nil
	}
	h, err := t.i.header(name, n)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if again { // with all that the file is: who unpacks it gives that to the file once more
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
		return t.tw.WriteHeader(h)
	}
	if depth == 0 {
		delete(h.PAXRecords, t.without)
	}
	if err := t.tw.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	switch n.Kind {
	case kindFile:
		err = t.data(n)
	case kindDir:
		return t.i.names(n, func(base string, ref uint64) error { return t.file(path.Join(name, base), ref, depth+1) })
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// data writes the content of a file.
func (t *walk) data(n *inode) error {
	left, at, size := n.size, n.at, uint64(t.i.super.BlockSize)
	for _, b := range n.blocks {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		want := int(min(left, size))
		var data []byte
		if b == 0 {
			data = make([]byte, want)
		} else {
			var err error
			if data, err = t.i.block(at, b, int(size)); err != nil {
				return err
			}
			at += uint64(b &^ blockRaw)
		}
		if len(data) != want {
			return fmt.Errorf("a block of %d bytes where there should be %d", len(data), want)
		}
		if _, err := t.tw.Write(data); err != nil {
			return err
		}
		left -= uint64(want)
	}
	if left == 0 {
		return nil
	}
	data, err := t.i.tail(n.fragment, n.offset, int(left))
	if err != nil {
		return err
	}
	_, err = t.tw.Write(data)
	return err
}
