// SPDX-License-Identifier: Apache-2.0

package squashfs

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

const blockSize = 128 << 10

// Options of Write.
type Options struct {
	Compression Compression
	Xattrs      map[string]string // more attributes of the root directory
}

// Write makes a file system of a tar stream of a root file system, from at on in out,
// and returns its length in bytes, a multiple of 4096. Data is written as it comes;
// what is known of each file is kept in memory until the end.
func Write(ctx context.Context, out io.WriterAt, at int64, in io.Reader, o Options) (int64, error) {
	compress, err := compressor(o.Compression)
	if err != nil {
		return 0, err
	}
	w := &writer{out: out, base: at, at: superSize, compress: compress, ids: map[uint32]uint16{}, sets: map[string]uint32{}}
	w.root = &node{kind: kindDir, mode: 0o755, links: 2, children: map[string]*node{}}
	if err := w.readAll(ctx, tar.NewReader(in)); err != nil {
		return 0, fmt.Errorf("write squashfs: %w", err)
	}
	for k, v := range o.Xattrs {
		if w.root.xattrs == nil {
			w.root.xattrs = map[string]string{}
		}
		w.root.xattrs[k] = v
	}
	n, err := w.finish(o.Compression)
	if err != nil {
		return 0, fmt.Errorf("write squashfs: %w", err)
	}
	return n, nil
}

// node is one file.
type node struct {
	kind     uint16 // a basic one
	mode     uint16
	uid, gid uint32
	mtime    uint32
	links    uint32
	number   uint32
	xattrs   map[string]string
	children map[string]*node // of a directory
	start    uint64           // of a file: where its blocks begin
	size     uint64
	blocks   []uint32
	target   string // of a symbolic link
	rdev     uint32
	ref      uint64 // when its inode is written
	written  bool
}

type writer struct {
	out      io.WriterAt
	base, at int64 // at counts from base
	compress func([]byte) ([]byte, error)
	root     *node
	inodes   meta
	dirs     meta
	ids      map[uint32]uint16
	idList   []uint32
	sets     map[string]uint32 // sets of attributes, written down, and their numbers
	xattrs   meta
	xattrIDs []xattrID
	count    uint32
}

func (w *writer) write(p []byte) error {
	_, err := w.out.WriteAt(p, w.base+w.at)
	w.at += int64(len(p))
	return err
}

func (w *writer) readAll(ctx context.Context, tr *tar.Reader) error {
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return ctx.Err()
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = w.entry(h, tr)
		}
		if err != nil {
			return err
		}
	}
}

// entry puts one file into the tree.
func (w *writer) entry(h *tar.Header, r io.Reader) error {
	name := path.Clean("/" + h.Name)
	if name == "/" {
		w.root.attributes(h)
		return nil
	}
	dir, err := w.dir(path.Dir(name))
	if err != nil {
		return err
	}
	base := path.Base(name)
	if len(base) > 256 {
		return fmt.Errorf("%s: the name is too long", name)
	}
	if h.Typeflag == tar.TypeLink {
		target, err := w.find(path.Clean("/" + h.Linkname))
		if err != nil || target.kind == kindDir {
			return fmt.Errorf("%s: it is linked to %s, which is not there", name, h.Linkname)
		}
		target.links++
		dir.children[base] = target
		return nil
	}
	n := &node{links: 1}
	switch h.Typeflag {
	case tar.TypeDir:
		if old := dir.children[base]; old != nil && old.kind == kindDir {
			n = old
			break
		}
		n.kind, n.links, n.children = kindDir, 2, map[string]*node{}
	case tar.TypeReg:
		n.kind, n.start = kindFile, uint64(w.at)
		if err := w.data(n, r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	case tar.TypeSymlink:
		n.kind, n.target = kindLink, h.Linkname
	case tar.TypeBlock, tar.TypeChar:
		n.kind, n.rdev = kindChar, encodeDevice(h.Devmajor, h.Devminor)
		if h.Typeflag == tar.TypeBlock {
			n.kind = kindBlock
		}
	case tar.TypeFifo:
		n.kind = kindFifo
	default:
		return nil
	}
	n.attributes(h)
	dir.children[base] = n
	return nil
}

func (n *node) attributes(h *tar.Header) {
	n.mode, n.uid, n.gid, n.mtime = uint16(h.Mode&0o7777), uint32(h.Uid), uint32(h.Gid), seconds(h.ModTime)
	for k, v := range h.PAXRecords {
		name, ok := strings.CutPrefix(k, paxXattr)
		if _, _, known := splitXattr(name); !ok || !known || len(v) > maxValue {
			continue
		}
		if n.xattrs == nil {
			n.xattrs = map[string]string{}
		}
		n.xattrs[name] = v
	}
}

const paxXattr = "SCHILY.xattr."

// seconds is a time as the format has it: it ends in 2106.
func seconds(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), 1<<32-1))
}

// splitXattr is the number of a name's prefix, and the rest.
func splitXattr(name string) (prefix uint16, rest string, known bool) {
	for i, p := range prefixes {
		if rest, ok := strings.CutPrefix(name, p); ok && rest != "" && len(rest) < 256 {
			return uint16(i), rest, true
		}
	}
	return 0, "", false
}

func (w *writer) find(name string) (*node, error) {
	n := w.root
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '/' }) {
		if n = n.children[part]; n == nil {
			return nil, fmt.Errorf("%s is not there", name)
		}
	}
	return n, nil
}

// dir is a directory, which is made where the archive has not spoken of it.
func (w *writer) dir(name string) (*node, error) {
	n := w.root
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '/' }) {
		next := n.children[part]
		if next == nil {
			next = &node{kind: kindDir, mode: 0o755, links: 2, children: map[string]*node{}}
			n.children[part] = next
		}
		if n = next; n.kind != kindDir {
			return nil, fmt.Errorf("%s is not a directory", name)
		}
	}
	return n, nil
}

// data writes the blocks of a file. One of zeros is not written.
func (w *writer) data(n *node, r io.Reader) error {
	buf := make([]byte, blockSize)
	for {
		got, err := io.ReadFull(r, buf)
		if got > 0 {
			size, werr := w.block(buf[:got])
			if werr != nil {
				return werr
			}
			n.size += uint64(got)
			n.blocks = append(n.blocks, size)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

var zeros [blockSize]byte

func (w *writer) block(data []byte) (size uint32, err error) {
	if bytes.Equal(data, zeros[:len(data)]) {
		return 0, nil
	}
	small, err := w.compress(data)
	if err != nil {
		return 0, err
	}
	if len(small) >= len(data) {
		return uint32(len(data)) | blockRaw, w.write(data)
	}
	return uint32(len(small)), w.write(small)
}

// meta is a table that is being made: whole blocks, and what waits for the next.
type meta struct {
	done bytes.Buffer
	rest []byte
}

// ref is where the next byte will be.
func (m *meta) ref() uint64 { return uint64(m.done.Len())<<16 | uint64(len(m.rest)) }

func (m *meta) add(p []byte, compress func([]byte) ([]byte, error)) error {
	for m.rest = append(m.rest, p...); len(m.rest) >= metaSize; m.rest = m.rest[metaSize:] {
		if err := m.block(m.rest[:metaSize], compress); err != nil {
			return err
		}
	}
	return nil
}

func (m *meta) block(data []byte, compress func([]byte) ([]byte, error)) error {
	small, err := compress(data)
	if err != nil {
		return err
	}
	header := uint16(len(small))
	if len(small) >= len(data) {
		small, header = data, uint16(len(data))|metaRaw
	}
	m.done.Write(binary.LittleEndian.AppendUint16(nil, header))
	m.done.Write(small)
	return nil
}

// end is the whole table.
func (m *meta) end(compress func([]byte) ([]byte, error)) ([]byte, error) {
	if len(m.rest) > 0 {
		if err := m.block(m.rest, compress); err != nil {
			return nil, err
		}
		m.rest = nil
	}
	return m.done.Bytes(), nil
}

// encode is the little-endian form of all parts.
func encode(parts ...any) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		if s, ok := p.(string); ok {
			b.WriteString(s)
			continue
		}
		_ = binary.Write(&b, binary.LittleEndian, p) // a buffer takes everything of fixed size
	}
	return b.Bytes()
}
