// SPDX-License-Identifier: Apache-2.0

package squashfs

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// crafted is a file system whose root and tables are made by hand: make has a writer
// with nothing in it, and writes the root directory.
func crafted(t *testing.T, make func(w *writer) error, spoil func(*super)) []byte {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain := func(p []byte) ([]byte, error) { return p, nil } // nothing gets smaller, and so all is as it is
	w := &writer{out: f, at: superSize, compress: plain, ids: map[uint32]uint16{}, sets: map[string]uint32{}}
	w.root = &node{kind: kindDir}
	if err := make(w); err != nil {
		t.Fatal(err)
	}
	s := super{Inodes: 100, BlockSize: blockSize, BlockLog: 17, Compression: uint16(Gzip), Major: 4, IDs: uint16(len(w.idList)), Root: w.root.ref, FragTable: noTable, XattrTable: noTable}
	copy(s.Magic[:], Magic)
	s.InodeTable = uint64(w.at)
	if err := w.table(&w.inodes); err != nil {
		t.Fatal(err)
	}
	s.DirTable = uint64(w.at)
	if err := w.table(&w.dirs); err != nil {
		t.Fatal(err)
	}
	var ids meta
	if err := ids.add(encode(w.idList), plain); err != nil {
		t.Fatal(err)
	}
	if s.IDTable, err = w.indexed(&ids, 4*len(w.idList), nil); err != nil {
		t.Fatal(err)
	}
	if len(w.xattrIDs) > 0 {
		if s.XattrTable, err = w.xattrTables(); err != nil {
			t.Fatal(err)
		}
	}
	s.Bytes = uint64(w.at)
	if spoil != nil {
		spoil(&s)
	}
	if _, err := f.WriteAt(encode(s), 0); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// listing writes the root directory with one name, for the inode of a reference.
func listing(w *writer, name string, ref uint64, kind uint16) error {
	at := w.dirs.ref()
	list := encode(entryHead{0, uint32(ref >> 16), 1}, entry{uint16(ref), 0, kind, uint16(len(name) - 1)}, name)
	if err := w.dirs.add(list, w.compress); err != nil {
		return err
	}
	return w.add(w.root, kindDir, dirInode{uint32(at >> 16), 2, uint16(len(list) + 3), uint16(at), 1})
}

// holding writes one inode and a root directory with it.
func holding(kind uint16, parts ...any) func(w *writer) error {
	return func(w *writer) error {
		n := &node{}
		if err := w.add(n, kind, parts...); err != nil {
			return err
		}
		return listing(w, "x", n.ref, kind)
	}
}

func TestWhatNobodyWrites(t *testing.T) {
	for _, c := range []struct {
		name, want string
		make       func(w *writer) error
		spoil      func(*super)
	}{
		{"a file", "", holding(kindFile, fileInode{0, noFragment, 0, 0}), nil},
		{"a directory in itself", "x is . again", func(w *writer) error { return listing(w, "x", 0, kindDir) }, nil},
		{"the directory above", `the name ".."`, func(w *writer) error { return listing(w, "..", 0, kindDir) }, nil},
		{"the directory itself", `the name "."`, func(w *writer) error { return listing(w, ".", 0, kindDir) }, nil},
		{"a path", `the name "a/b"`, func(w *writer) error { return listing(w, "a/b", 0, kindDir) }, nil},
		{"a name that C ends", `the name "a\x00b"`, func(w *writer) error { return listing(w, "a\x00b", 0, kindDir) }, nil},
		{"an inode that is not there", "refers to byte", func(w *writer) error { return listing(w, "x", 1<<40, kindFile) }, nil},
		{"an inode behind its block", "refers to byte", func(w *writer) error { return listing(w, "x", 8000, kindFile) }, nil},
		{"an unknown kind", "of the kind 8", holding(15), nil},
		{"no kind", "of the kind 0", holding(0), nil},
		{"a root that is a file", "root is no directory", func(w *writer) error { return w.add(w.root, kindFile, fileInode{0, noFragment, 0, 0}) }, nil},
		{"no owners", "ids: ", func(w *writer) error {
			err := listing(w, "x", 0, kindDir)
			w.idList = nil
			return err
		}, nil},
		{"a file of exabytes", "a file of", holding(kindFile+extended, bigFileInode{Size: 1 << 62, Fragment: noFragment, Xattr: noXattr}), nil},
		{"a file of too many blocks", "blocks", holding(kindFile+extended, bigFileInode{Size: 1 << 49, Fragment: noFragment, Xattr: noXattr}), nil},
		{"a file with fewer blocks than it has", "", holding(kindFile+extended, bigFileInode{Size: 1 << 30, Fragment: noFragment, Xattr: noXattr}), nil},
		{"a fragment that is not there", "fragment 5 of 0", holding(kindFile, fileInode{0, 5, 0, 10}), nil},
		{"a block that is not there", "refers to byte", holding(kindFile, fileInode{1 << 30, noFragment, 0, 10}, uint32(10|blockRaw)), nil},
		{"a block larger than one", "a block of", holding(kindFile, fileInode{96, noFragment, 0, 10}, uint32(blockSize+1)), nil},
		{"a block of another length", "a block of 20 bytes where there should be 10", holding(kindFile, fileInode{0, noFragment, 0, 10}, uint32(20|blockRaw)), nil},
		{"a block that is not compressed", "x: ", holding(kindFile, fileInode{0, noFragment, 0, 10}, uint32(20)), nil},
		{"a long link", "a link of 5000 bytes", holding(kindLink, uint32(1), uint32(5000)), nil},
		{"attributes that are not there", "", holding(kindFifo+extended, uint32(1), uint32(7)), nil},
		{"too many ids", "refers to byte", holding(kindFifo, uint32(1)), func(s *super) { s.IDs = 65535 }},
		{"too many files", "too many", holding(kindFifo, uint32(1)), func(s *super) { s.Inodes = 1 << 31 }},
		{"more fragments than files", "too many", holding(kindFifo, uint32(1)), func(s *super) { s.Fragments = 101 }},
		{"fragments nowhere", "fragments: it refers to byte", holding(kindFifo, uint32(1)), func(s *super) { s.Fragments = 1 }},
		{"attributes behind the end", "refers to byte", holding(kindFifo, uint32(1)), func(s *super) { s.XattrTable = s.Bytes - 3 }},
		{"ids that overlap nothing", "refers to byte", holding(kindFifo, uint32(1)), func(s *super) { s.IDTable = 1 << 63 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := crafted(t, c.make, c.spoil)
			i, err := Open(bytes.NewReader(data), int64(len(data)))
			if err == nil {
				err = i.WriteTar(t.Context(), &bounded{left: 1 << 20}, "")
			}
			if c.want == "" && err != nil && !strings.HasPrefix(c.name, "a file with fewer") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestAttributesThatNobodyWrites spoils the only set of a file.
func TestAttributesThatNobodyWrites(t *testing.T) {
	set := func(parts ...any) func(w *writer) error {
		return func(w *writer) error {
			w.xattrIDs = []xattrID{{0, 1, 0}}
			if err := w.xattrs.add(encode(parts...), w.compress); err != nil {
				return err
			}
			return w.add(w.root, kindDir+extended, bigDirInode{Links: 2, Size: 3, Xattr: 0})
		}
	}
	elsewhere := encode(uint16(0), uint16(1), "b", uint32(3), "low")
	for _, c := range []struct {
		name, want string // an attribute and its value, or an error
		make       func(w *writer) error
	}{
		{"one", "user.a=value", set(uint16(0), uint16(1), "a", uint32(5), "value")},
		{"a value elsewhere", "user.a=low", set(uint16(xattrElsewhere), uint16(1), "a", uint32(8), uint64(len(encode(uint16(0), uint16(1), "a", uint32(8), uint64(0)))+5), elsewhere)},
		{"a prefix that is not known", "", set(uint16(9), uint16(1), "a", uint32(0))},
		{"no name", "", set(uint16(0), uint16(0), uint32(0))},
		{"a long name", "a name of 300 bytes", set(uint16(0), uint16(300), strings.Repeat("n", 300), uint32(0))},
		{"a long value", "a value of 65537 bytes", set(uint16(0), uint16(1), "a", uint32(65537))},
		{"no place of a value", "no place", set(uint16(xattrElsewhere), uint16(1), "a", uint32(3), "abc")},
		{"a value nowhere", "refers to byte", set(uint16(xattrElsewhere), uint16(1), "a", uint32(8), uint64(1)<<40)},
		{"a set with too many", "not there", func(w *writer) error {
			w.xattrIDs = []xattrID{{0, maxXattrs + 1, 0}}
			return w.add(w.root, kindDir+extended, bigDirInode{Links: 2, Size: 3, Xattr: 0})
		}},
		{"a set that is not there", "not there", func(w *writer) error {
			w.xattrIDs = []xattrID{{0, 0, 0}}
			return w.add(w.root, kindDir+extended, bigDirInode{Links: 2, Size: 3, Xattr: 1})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := crafted(t, c.make, nil)
			i, err := Open(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			all, err := i.Attributes()
			got := ""
			for k, v := range all {
				got = k + "=" + v
			}
			if strings.Contains(c.want, "=") || c.want == "" {
				if err != nil || got != c.want {
					t.Errorf("%q, %v", got, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
