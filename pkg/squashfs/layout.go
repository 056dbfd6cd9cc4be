// SPDX-License-Identifier: Apache-2.0

package squashfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Magic is what a squashfs begins with.
const Magic = "hsqs"

// Of a superblock.
const (
	superSize   = 96
	noTable     = ^uint64(0) // where a table is not there
	noFragment  = ^uint32(0)
	noXattr     = ^uint32(0)
	metaSize    = 8 << 10 // of what a metadata block gives
	metaRaw     = 0x8000  // its header's bit for "not compressed"
	blockRaw    = 1 << 24 // the same of a data block
	maxBlock    = 1 << 20 // bytes, of a data block
	flagNoFrags = 0x10
	flagNoXattr = 0x200
)

// super is the superblock as it is on the disk.
type super struct {
	Magic       [4]byte
	Inodes      uint32
	Mtime       uint32 // seconds since 1970
	BlockSize   uint32
	Fragments   uint32
	Compression uint16
	BlockLog    uint16
	Flags       uint16
	IDs         uint16
	Major       uint16
	Minor       uint16
	Root        uint64 // a reference to its inode
	Bytes       uint64 // all that counts
	IDTable     uint64
	XattrTable  uint64
	InodeTable  uint64
	DirTable    uint64
	FragTable   uint64
	ExportTable uint64
}

func parseSuper(data []byte, size int64) (s super, err error) {
	if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, &s); err != nil {
		return s, err
	}
	switch {
	case string(s.Magic[:]) != Magic:
		return s, errors.New("not a squashfs")
	case s.Major != 4 || s.Minor != 0:
		return s, fmt.Errorf("squashfs of version %d.%d: only 4.0 is known", s.Major, s.Minor)
	case s.BlockSize < 4096 || s.BlockSize > maxBlock || bits.OnesCount32(s.BlockSize) != 1 || 1<<s.BlockLog != s.BlockSize:
		return s, fmt.Errorf("blocks of %d bytes", s.BlockSize)
	case s.Bytes > uint64(size):
		return s, fmt.Errorf("%d bytes of %d: the rest is cut off", size, s.Bytes)
	case s.InodeTable >= s.DirTable || s.DirTable > s.Bytes:
		return s, errors.New("its tables are not in their order")
	}
	return s, nil
}

// Kinds of inodes: basic ones, and with extended more of the same.
const (
	kindDir = iota + 1
	kindFile
	kindLink
	kindBlock
	kindChar
	kindFifo
	kindSocket
	extended = 7
)

// head is what all inodes begin with.
type head struct {
	Kind, Mode, UID, GID uint16 // UID and GID are places in the table of ids
	Mtime, Number        uint32
}

type (
	dirInode struct { // basic
		Start, Links uint32
		Size, Offset uint16
		Parent       uint32
	}
	bigDirInode struct { // extended; an index follows
		Links, Size, Start, Parent uint32
		Index, Offset              uint16
		Xattr                      uint32
	}
	fileInode struct { // basic; sizes of the blocks follow
		Start, Fragment, Offset, Size uint32
	}
	bigFileInode struct { // extended
		Start, Size, Sparse            uint64
		Links, Fragment, Offset, Xattr uint32
	}
)

// entryHead begins a run of up to 256 names in a directory whose inodes are in one block.
type entryHead struct{ Count, Start, Number uint32 } // Count is one less than there are

type entry struct {
	Offset uint16
	Delta  int16
	Kind   uint16 // a basic one
	Length uint16 // of the name, less one
}

// The prefixes of names of attributes, by their number.
var prefixes = []string{"user.", "trusted.", "security."}

const (
	xattrElsewhere = 0x100 // the value is a reference to one
	maxXattrs      = 1000  // of one file
	maxValue       = 64 << 10
)

type (
	xattrID struct { // one set of attributes
		Ref         uint64
		Count, Size uint32
	}
	xattrTable struct {
		Start       uint64 // of the names and values
		IDs, Unused uint32
	}
	fragment struct {
		Start        uint64
		Size, Unused uint32
	}
)

// device has Linux's numbers in the form of new_encode_dev.
func device(rdev uint32) (major, minor int64) {
	return int64(rdev >> 8 & 0xfff), int64(rdev&0xff | rdev>>12&0xfff00)
}

func encodeDevice(major, minor int64) uint32 {
	return uint32(minor)&0xff | uint32(major)<<8 | uint32(minor)&^0xff<<12
}
