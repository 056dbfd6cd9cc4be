// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"

	"golang.org/x/sys/unix"

	"coracle/pkg/oci"
)

// isArchive reports whether ADD unpacks a file: a tar archive, compressed or
// not.
func isArchive(t *tree, name string) bool {
	f, err := t.root.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	r, err := oci.Decompress(f)
	if err != nil {
		return false
	}
	defer r.Close()
	_, err = tar.NewReader(r).Next()
	return err == nil
}

// extract unpacks an archive below to. Its names and links, and the links that
// the image has on the way, stay inside of the root; devices are left out. own
// is whom the files are given to; without one, whom the archive says.
func (t *target) extract(r io.Reader, to string, own *owner) error {
	plain, err := oci.Decompress(r)
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	defer plain.Close()
	parent := owner{}
	if own != nil {
		parent = *own
	}
	if err := t.mkdirAll(to, parent); err != nil {
		return err
	}
	var dirs []late
	for tr := tar.NewReader(plain); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return t.setTimes(dirs)
		}
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		p := path.Join(to, path.Clean("/"+h.Name))
		o := owner{h.Uid, h.Gid}
		if own != nil {
			o = *own
		}
		if p == path.Clean(to) || p == "/" {
			continue
		}
		if h.Typeflag == tar.TypeDir {
			dirs = append(dirs, late{p, h.ModTime})
		}
		if err := t.entry(tr, h, p, to, o); err != nil {
			return fmt.Errorf("unpack %s: %w", h.Name, err)
		}
	}
}

func (t *target) entry(tr *tar.Reader, h *tar.Header, p, to string, own owner) error {
	if err := t.mkdirAll(path.Dir(p), owner{}); err != nil {
		return err
	}
	n := newFile{mode: uint32(h.Mode) & 0o7777, own: own, mtime: h.ModTime, link: h.Linkname, fill: copyFrom(tr)}
	switch h.Typeflag {
	case tar.TypeDir:
		if t.isDir(p) {
			return nil
		}
		return t.mkdir(p, n.mode, own)
	case tar.TypeReg:
		n.mode |= unix.S_IFREG
	case tar.TypeSymlink:
		n.mode |= unix.S_IFLNK
	case tar.TypeFifo:
		n.mode |= unix.S_IFIFO
	case tar.TypeLink:
		return t.link(path.Join(to, path.Clean("/"+h.Linkname)), p)
	default:
		return nil
	}
	return t.put(p, n)
}

// link makes a hard link; neither end is followed if it is a link itself.
func (t *target) link(from, p string) error {
	return t.in(from, func(oldDir int, oldBase string) error {
		return t.in(p, func(fd int, base string) error {
			if from == p {
				return nil
			}
			if err := clearWay(fd, base, p); err != nil {
				return err
			}
			if err := unix.Linkat(oldDir, oldBase, fd, base, 0); err != nil {
				return fmt.Errorf("link to %s: %w", from, err)
			}
			return nil
		})
	})
}
