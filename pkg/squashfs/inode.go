// SPDX-License-Identifier: Apache-2.0

package squashfs

import (
	"archive/tar"
	"errors"
	"fmt"
	"strings"
	"time"
)

// inode is one file as it was found.
type inode struct {
	head
	xattr  uint32
	at     uint64 // of a directory: where its names are; of a file, its first block
	size   uint64
	target string
	rdev   uint32

	blocks           []uint32
	fragment, offset uint32
}

// inode reads one.
func (i *Image) inode(ref uint64) (*inode, error) {
	c, err := i.cursor(i.super.InodeTable, ref)
	if err != nil {
		return nil, err
	}
	n := &inode{xattr: noXattr, fragment: noFragment}
	if err := c.value(&n.head); err != nil {
		return nil, err
	}
	big := n.Kind > extended
	if big {
		n.Kind -= extended
	}
	switch n.Kind {
	case kindDir:
		err = n.directory(c, big)
	case kindFile:
		err = n.file(c, big, uint64(i.super.BlockSize))
	case kindLink:
		err = n.symlink(c, big)
	case kindBlock, kindChar:
		err = n.special(c, big, true)
	case kindFifo, kindSocket:
		err = n.special(c, big, false)
	default:
		err = fmt.Errorf("an inode of the kind %d", n.Kind)
	}
	return n, err
}

func (n *inode) directory(c *cursor, big bool) error {
	if !big {
		var d dirInode
		err := c.value(&d)
		n.at, n.size = uint64(d.Start)<<16|uint64(d.Offset), uint64(d.Size)
		return err
	}
	var d bigDirInode
	err := c.value(&d)
	n.at, n.size, n.xattr = uint64(d.Start)<<16|uint64(d.Offset), uint64(d.Size), d.Xattr
	return err
}

func (n *inode) file(c *cursor, big bool, blockSize uint64) error {
	if !big {
		var f fileInode
		if err := c.value(&f); err != nil {
			return err
		}
		n.at, n.size, n.fragment, n.offset = uint64(f.Start), uint64(f.Size), f.Fragment, f.Offset
	} else {
		var f bigFileInode
		if err := c.value(&f); err != nil {
			return err
		}
		n.at, n.size, n.fragment, n.offset, n.xattr = f.Start, f.Size, f.Fragment, f.Offset, f.Xattr
	}
	if n.size > 1<<50 {
		return fmt.Errorf("a file of %d bytes", n.size)
	}
	count := n.size / blockSize
	if n.fragment == noFragment && n.size%blockSize > 0 {
		count++
	}
	if count > maxBlocks {
		return fmt.Errorf("a file of %d blocks", count)
	}
	// What is claimed is not allocated before it is read.
	for count > 0 {
		some := make([]uint32, min(count, 4096))
		if err := c.value(some); err != nil {
			return err
		}
		n.blocks = append(n.blocks, some...)
		count -= uint64(len(some))
	}
	return nil
}

func (n *inode) symlink(c *cursor, big bool) error {
	var l struct{ Links, Size uint32 }
	if err := c.value(&l); err != nil {
		return err
	}
	if l.Size > 4096 {
		return fmt.Errorf("a link of %d bytes", l.Size)
	}
	var err error
	if n.target, err = c.text(int(l.Size)); err == nil && big {
		err = c.value(&n.xattr)
	}
	return err
}

func (n *inode) special(c *cursor, big, device bool) error {
	var links uint32
	err := c.value(&links)
	if err == nil && device {
		err = c.value(&n.rdev)
	}
	if err == nil && big {
		err = c.value(&n.xattr)
	}
	return err
}

// names calls do for each name in a directory, in its order.
func (i *Image) names(n *inode, do func(name string, ref uint64) error) error {
	if n.size <= 3 {
		return nil
	}
	c, err := i.cursor(i.super.DirTable, n.at)
	if err != nil {
		return err
	}
	for left := int64(n.size) - 3; left > 0; {
		var h entryHead
		if err := c.value(&h); err != nil {
			return err
		}
		if h.Count > 255 {
			return fmt.Errorf("a run of %d names", h.Count)
		}
		left -= 12
		for range h.Count + 1 {
			var e entry
			if err := c.value(&e); err != nil {
				return err
			}
			if e.Length > 255 {
				return fmt.Errorf("a name of %d bytes", e.Length)
			}
			name, err := c.text(int(e.Length) + 1)
			if err != nil {
				return err
			}
			if name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
				return fmt.Errorf("a file of the name %q", name)
			}
			if err := do(name, uint64(h.Start)<<16|uint64(e.Offset)); err != nil {
				return err
			}
			left -= 8 + int64(len(name))
		}
	}
	return nil
}

// attributes are a file's extended ones.
func (i *Image) attributes(n *inode) (map[string]string, error) {
	if n.xattr == noXattr || len(i.xattrs) == 0 {
		return nil, nil
	}
	if int64(n.xattr) >= int64(len(i.xattrs)) || i.xattrs[n.xattr].Count > maxXattrs {
		return nil, errors.New("a set of attributes that is not there")
	}
	set := i.xattrs[n.xattr]
	c, err := i.cursor(i.xattrStart, set.Ref)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for range set.Count {
		name, value, err := c.attribute()
		if err != nil {
			return nil, fmt.Errorf("attributes: %w", err)
		}
		if name != "" {
			all[name] = value
		}
	}
	return all, nil
}

// attribute reads one; a name that is none is left out.
func (c *cursor) attribute() (name, value string, err error) {
	var h struct{ Kind, Length uint16 }
	if err := c.value(&h); err != nil {
		return "", "", err
	}
	if h.Length > 255 {
		return "", "", fmt.Errorf("a name of %d bytes", h.Length)
	}
	if name, err = c.text(int(h.Length)); err != nil {
		return "", "", err
	}
	if value, err = c.sized(); err == nil && h.Kind&xattrElsewhere != 0 {
		if len(value) != 8 {
			return "", "", errors.New("no place of a value")
		}
		var ref uint64
		for k := range 8 {
			ref |= uint64(value[k]) << (8 * k)
		}
		var other *cursor
		if other, err = c.i.cursor(c.i.xattrStart, ref); err == nil {
			value, err = other.sized()
		}
	}
	if p := int(h.Kind & 0xff); p < len(prefixes) && name != "" {
		return prefixes[p] + name, value, err
	}
	return "", "", err
}

func (c *cursor) sized() (string, error) {
	var n uint32
	if err := c.value(&n); err != nil {
		return "", err
	}
	if n > maxValue {
		return "", fmt.Errorf("a value of %d bytes", n)
	}
	return c.text(int(n))
}

// header is what a tar archive says of the file.
func (i *Image) header(name string, n *inode) (*tar.Header, error) {
	if int(n.UID) >= len(i.ids) || int(n.GID) >= len(i.ids) {
		return nil, errors.New("an owner that is not there")
	}
	h := &tar.Header{Name: name, Mode: int64(n.Mode & 0o7777), Uid: int(i.ids[n.UID]), Gid: int(i.ids[n.GID]), ModTime: time.Unix(int64(n.Mtime), 0), Format: tar.FormatPAX}
	switch n.Kind {
	case kindDir:
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case kindFile:
		h.Typeflag, h.Size = tar.TypeReg, int64(n.size)
	case kindLink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, n.target
	case kindBlock, kindChar:
		if h.Typeflag = tar.TypeChar; n.Kind == kindBlock {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = device(n.rdev)
	case kindFifo:
		h.Typeflag = tar.TypeFifo
	}
	xattrs, err := i.attributes(n)
	for k, v := range xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[paxXattr+k] = v
	}
	return h, err
}
