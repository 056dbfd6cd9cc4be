// SPDX-License-Identifier: Apache-2.0

package squashfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What a file system may have, at most.
const (
	maxInodes = 1 << 24
	maxDepth  = 1000
	maxBlocks = 1 << 24 // of one file: 2 TiB, as mksquashfs makes blocks
	maxCached = 256     // metadata blocks, 2 MiB
)

// Image is a file system that is read. It is for one goroutine.
type Image struct {
	r      io.ReaderAt
	super  super
	undo   func(block []byte, most int) ([]byte, error)
	ids    []uint32
	frags  []fragment
	xattrs []xattrID
	// xattrStart is where names and values begin.
	xattrStart uint64
	cache      map[uint64]metaBlock
	// of the last fragment that was read
	fragment     uint32
	fragmentData []byte
}

type metaBlock struct {
	data []byte
	next uint64 // where the one behind it begins
}

// Open reads what all of a file system needs: its first bytes, ids and lists. size is
// the number of bytes that r has.
func Open(r io.ReaderAt, size int64) (*Image, error) {
	i := &Image{r: r, cache: map[uint64]metaBlock{}, fragment: noFragment}
	if err := i.open(size); err != nil {
		return nil, fmt.Errorf("read squashfs: %w", err)
	}
	return i, nil
}

func (i *Image) open(size int64) error {
	first, err := i.bytes(0, superSize)
	if err != nil {
		return err
	}
	if i.super, err = parseSuper(first, size); err != nil {
		return err
	}
	if i.undo, err = decompressor(Compression(i.super.Compression)); err != nil {
		return err
	}
	s := &i.super
	ids, err := i.list(s.IDTable, 4*int(s.IDs))
	if err != nil {
		return fmt.Errorf("ids: %w", err)
	}
	if err := decode(ids, &i.ids, int(s.IDs)); err != nil {
		return err
	}
	if s.Inodes > maxInodes || s.Fragments > s.Inodes {
		return fmt.Errorf("%d files in %d fragments are too many", s.Inodes, s.Fragments)
	}
	if s.Fragments > 0 {
		frags, err := i.list(s.FragTable, 16*int(s.Fragments))
		if err != nil {
			return fmt.Errorf("fragments: %w", err)
		}
		if err := decode(frags, &i.frags, int(s.Fragments)); err != nil {
			return err
		}
	}
	return i.openXattrs()
}

func (i *Image) openXattrs() error {
	at := i.super.XattrTable
	if at == noTable {
		return nil
	}
	data, err := i.bytes(at, 16)
	if err != nil {
		return err
	}
	var t xattrTable
	if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, &t); err != nil {
		return err
	}
	if t.IDs > i.super.Inodes {
		return fmt.Errorf("%d sets of attributes are too many", t.IDs)
	}
	ids, err := i.list(at+16, 16*int(t.IDs))
	if err != nil {
		return fmt.Errorf("attributes: %w", err)
	}
	i.xattrStart = t.Start
	return decode(ids, &i.xattrs, int(t.IDs))
}

// decode reads n values of fixed size.
func decode[T any](data []byte, into *[]T, n int) error {
	*into = make([]T, n)
	return binary.Read(bytes.NewReader(data), binary.LittleEndian, *into)
}

// bytes reads part of the file system, none of what is behind it.
func (i *Image) bytes(at uint64, n int) ([]byte, error) {
	if size := i.super.Bytes; size > 0 && (at > size || uint64(n) > size-at) {
		return nil, fmt.Errorf("it refers to byte %d of %d", at, size)
	}
	p := make([]byte, n)
	if _, err := i.r.ReadAt(p, int64(at)); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	} else if err != nil {
		return p, io.ErrUnexpectedEOF
	}
	return p, nil
}

// list reads a table whose blocks are listed at a place.
func (i *Image) list(at uint64, size int) ([]byte, error) {
	blocks := (size + metaSize - 1) / metaSize
	index, err := i.bytes(at, 8*blocks)
	if err != nil {
		return nil, err
	}
	var out []byte
	for n := range blocks {
		b, err := i.meta(binary.LittleEndian.Uint64(index[8*n:]))
		if err != nil {
			return nil, err
		}
		out = append(out, b.data...)
	}
	if len(out) < size {
		return nil, io.ErrUnexpectedEOF
	}
	return out[:size], nil
}

// meta reads one metadata block.
func (i *Image) meta(at uint64) (metaBlock, error) {
	if b, ok := i.cache[at]; ok {
		return b, nil
	}
	header, err := i.bytes(at, 2)
	if err != nil {
		return metaBlock{}, err
	}
	h := binary.LittleEndian.Uint16(header)
	n := int(h &^ metaRaw)
	if n == 0 || n > metaSize {
		return metaBlock{}, fmt.Errorf("a metadata block of %d bytes", n)
	}
	data, err := i.bytes(at+2, n)
	if err == nil && h&metaRaw == 0 {
		data, err = i.undo(data, metaSize)
	}
	if err != nil {
		return metaBlock{}, err
	}
	if len(i.cache) == maxCached {
		clear(i.cache)
	}
	b := metaBlock{data, at + 2 + uint64(n)}
	i.cache[at] = b
	return b, nil
}

// cursor reads a table from one place on.
type cursor struct {
	i    *Image
	next uint64 // block
	data []byte
}

// cursor is at a reference into the table that begins at start.
func (i *Image) cursor(start, ref uint64) (*cursor, error) {
	b, err := i.meta(start + ref>>16)
	if err != nil {
		return nil, err
	}
	offset := int(ref & 0xffff)
	if offset > len(b.data) {
		return nil, fmt.Errorf("it refers to byte %d of %d", offset, len(b.data))
	}
	return &cursor{i, b.next, b.data[offset:]}, nil
}

// Read reads on into the next blocks.
func (c *cursor) Read(p []byte) (int, error) {
	for len(c.data) == 0 {
		b, err := c.i.meta(c.next)
		if err != nil {
			return 0, err
		}
		c.data, c.next = b.data, b.next
		if len(b.data) == 0 {
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(p, c.data)
	c.data = c.data[n:]
	return n, nil
}

func (c *cursor) value(v any) error { return binary.Read(c, binary.LittleEndian, v) }

// text reads a name or value of known length.
func (c *cursor) text(n int) (string, error) {
	p := make([]byte, n)
	_, err := io.ReadFull(c, p)
	return string(p), err
}

// block reads one of data, which gives at most so many bytes.
func (i *Image) block(at uint64, size uint32, most int) ([]byte, error) {
	n := size &^ blockRaw
	if n > i.super.BlockSize {
		return nil, fmt.Errorf("a block of %d bytes", n)
	}
	data, err := i.bytes(at, int(n))
	if err != nil {
		return nil, err
	}
	if size&blockRaw == 0 {
		return i.undo(data, most)
	}
	if len(data) > most {
		return nil, errTooLong
	}
	return data, nil
}

// tail is the part of a fragment that ends a file.
func (i *Image) tail(number, offset uint32, size int) ([]byte, error) {
	if int64(number) >= int64(len(i.frags)) {
		return nil, fmt.Errorf("fragment %d of %d", number, len(i.frags))
	}
	if number != i.fragment {
		f := i.frags[number]
		data, err := i.block(f.Start, f.Size, int(i.super.BlockSize))
		if err != nil {
			return nil, err
		}
		i.fragment, i.fragmentData = number, data
	}
	if int64(offset)+int64(size) > int64(len(i.fragmentData)) {
		return nil, io.ErrUnexpectedEOF
	}
	return i.fragmentData[offset:][:size], nil
}
