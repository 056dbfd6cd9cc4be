// SPDX-License-Identifier: Apache-2.0

package squashfs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// finish writes all that comes after the data, and the superblock.
func (w *writer) finish(c Compression) (int64, error) {
	w.number(w.root)
	if err := w.directory(w.root, w.count+1); err != nil {
		return 0, err
	}
	s := super{
		Inodes: w.count, BlockSize: blockSize, BlockLog: 17, Compression: uint16(c), Flags: flagNoFrags, IDs: uint16(len(w.idList)), Major: 4,
		Root: w.root.ref, Mtime: w.root.mtime, FragTable: noTable, ExportTable: noTable, XattrTable: noTable,
	}
	copy(s.Magic[:], Magic)
	for _, t := range []struct {
		at *uint64
		m  *meta
	}{{&s.InodeTable, &w.inodes}, {&s.DirTable, &w.dirs}} {
		*t.at = uint64(w.at)
		if err := w.table(t.m); err != nil {
			return 0, err
		}
	}
	var ids meta
	if err := ids.add(encode(w.idList), w.compress); err != nil {
		return 0, err
	}
	at, err := w.indexed(&ids, 4*len(w.idList), nil)
	if err != nil {
		return 0, err
	}
	s.IDTable = at
	if len(w.xattrIDs) == 0 {
		s.Flags |= flagNoXattr
	} else if s.XattrTable, err = w.xattrTables(); err != nil {
		return 0, err
	}
	s.Bytes = uint64(w.at)
	if pad := w.at % 4096; pad > 0 {
		if err := w.write(zeros[:4096-pad]); err != nil {
			return 0, err
		}
	}
	_, err = w.out.WriteAt(encode(s), w.base)
	return w.at, err
}

func (w *writer) table(m *meta) error {
	data, err := m.end(w.compress)
	if err != nil {
		return err
	}
	return w.write(data)
}

// indexed writes a table of so many bytes and, behind it and first, the list of where
// its blocks are. It returns where that begins.
func (w *writer) indexed(m *meta, size int, first []byte) (uint64, error) {
	start := uint64(w.at)
	data, err := m.end(w.compress)
	if err != nil {
		return 0, err
	}
	if err := w.write(data); err != nil {
		return 0, err
	}
	at := uint64(w.at)
	index := first
	for pos, n := 0, 0; n < size; n += metaSize {
		index = append(index, encode(start+uint64(pos))...)
		pos += 2 + int(data[pos]) + int(data[pos+1]&0x7f)<<8
	}
	return at, w.write(index)
}

func (w *writer) xattrTables() (uint64, error) {
	start := uint64(w.at)
	if err := w.table(&w.xattrs); err != nil {
		return 0, err
	}
	var ids meta
	if err := ids.add(encode(w.xattrIDs), w.compress); err != nil {
		return 0, err
	}
	return w.indexed(&ids, 16*len(w.xattrIDs), encode(xattrTable{Start: start, IDs: uint32(len(w.xattrIDs))}))
}

// number numbers all inodes from 1 on: directories say their parent's before it is
// written.
func (w *writer) number(n *node) {
	if n.number > 0 {
		return
	}
	w.count++
	n.number = w.count
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		if c := n.children[name]; c.kind == kindDir {
			n.links++
			w.number(c)
		} else {
			w.number(c)
		}
	}
}

// directory writes the inodes of what is in n, its names, and its own inode.
func (w *writer) directory(n *node, parent uint32) error {
	names := slices.Sorted(maps.Keys(n.children))
	for _, name := range names {
		c := n.children[name]
		if c.written {
			continue // a further name of it
		}
		var err error
		if c.kind == kindDir {
			err = w.directory(c, n.number)
		} else {
			err = w.inode(c)
		}
		if err != nil {
			return err
		}
	}
	at, size := w.dirs.ref(), 0
	for len(names) > 0 {
		run := w.run(n, names)
		list := encode(entryHead{uint32(len(run) - 1), uint32(n.children[run[0]].ref >> 16), n.children[run[0]].number})
		for _, name := range run {
			c := n.children[name]
			list = append(list, encode(entry{uint16(c.ref), int16(int64(c.number) - int64(n.children[run[0]].number)), c.kind, uint16(len(name) - 1)}, name)...)
		}
		size += len(list)
		if err := w.dirs.add(list, w.compress); err != nil {
			return err
		}
		names = names[len(run):]
	}
	size += 3 // the format counts . and ..
	xattr, err := w.xattr(n)
	if err != nil {
		return err
	}
	if xattr == noXattr && size < 1<<16 {
		return w.add(n, kindDir, dirInode{uint32(at >> 16), n.links, uint16(size), uint16(at), parent})
	}
	return w.add(n, kindDir+extended, bigDirInode{Links: n.links, Size: uint32(size), Start: uint32(at >> 16), Parent: parent, Offset: uint16(at), Xattr: xattr})
}

// run are the first of names that can stand below one head.
func (w *writer) run(n *node, names []string) []string {
	first := n.children[names[0]]
	for i, name := range names {
		c := n.children[name]
		if d := int64(c.number) - int64(first.number); i == 256 || c.ref>>16 != first.ref>>16 || d != int64(int16(d)) {
			return names[:i]
		}
	}
	return names
}

// add writes an inode.
func (w *writer) add(n *node, kind uint16, parts ...any) error {
	uid, err := w.id(n.uid)
	if err != nil {
		return err
	}
	gid, err := w.id(n.gid)
	if err != nil {
		return err
	}
	n.ref, n.written = w.inodes.ref(), true
	return w.inodes.add(encode(append([]any{head{kind, n.mode, uid, gid, n.mtime, n.number}}, parts...)...), w.compress)
}

func (w *writer) id(id uint32) (uint16, error) {
	if i, ok := w.ids[id]; ok {
		return i, nil
	}
	if len(w.idList) == 1<<16-1 {
		return 0, errors.New("files of more than 65535 users and groups")
	}
	w.ids[id] = uint16(len(w.idList))
	w.idList = append(w.idList, id)
	return w.ids[id], nil
}

// inode writes that of anything but a directory.
func (w *writer) inode(n *node) error {
	xattr, err := w.xattr(n)
	if err != nil {
		return err
	}
	kind, tail := n.kind, []any{}
	if xattr != noXattr {
		kind, tail = kind+extended, []any{xattr}
	}
	switch n.kind {
	case kindFile:
		if xattr == noXattr && n.links == 1 && n.start < 1<<32 && n.size < 1<<32 {
			return w.add(n, kindFile, fileInode{uint32(n.start), noFragment, 0, uint32(n.size)}, n.blocks)
		}
		return w.add(n, kindFile+extended, bigFileInode{Start: n.start, Size: n.size, Links: n.links, Fragment: noFragment, Xattr: xattr}, n.blocks)
	case kindLink:
		return w.add(n, kind, append([]any{n.links, uint32(len(n.target)), n.target}, tail...)...)
	case kindBlock, kindChar:
		return w.add(n, kind, append([]any{n.links, n.rdev}, tail...)...)
	case kindFifo:
		return w.add(n, kind, append([]any{n.links}, tail...)...)
	}
	return fmt.Errorf("unknown kind %d", n.kind)
}

// xattr is the number of a file's set of attributes, of which equal ones are one.
func (w *writer) xattr(n *node) (uint32, error) {
	if len(n.xattrs) == 0 {
		return noXattr, nil
	}
	var set []byte
	for _, name := range slices.Sorted(maps.Keys(n.xattrs)) {
		prefix, rest, known := splitXattr(name)
		if !known {
			return 0, fmt.Errorf("attribute %q", name)
		}
		value := n.xattrs[name]
		set = append(set, encode(prefix, uint16(len(rest)), rest, uint32(len(value)), value)...)
	}
	if i, ok := w.sets[string(set)]; ok {
		return i, nil
	}
	i := uint32(len(w.xattrIDs))
	w.sets[string(set)] = i
	w.xattrIDs = append(w.xattrIDs, xattrID{w.xattrs.ref(), uint32(len(n.xattrs)), uint32(len(set))})
	return i, w.xattrs.add(set, w.compress)
}
