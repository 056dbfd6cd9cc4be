// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/overlay"
	"coracle/pkg/xattr"
)

// exportFiles writes the files of the result to a directory or an archive, or to an
// archive of what is to be a directory elsewhere.
func (b *exporter) exportFiles(layers []overlay.LayerID, o Destination) error {
	name := "exporting to client directory"
	if o.Type == "tar" {
		name = "exporting to client tarball"
	}
	v := b.Tell.Start(name)
	t, err := b.Trees.Of(layers)
	if err != nil {
		return v.Fail(err)
	}
	if o.File != nil {
		err = writeTar(b.Ctx, t, o.File)
	} else {
		err = b.writeDir(t, o.Dir)
	}
	if err != nil {
		return v.Fail(err)
	}
	v.Finish()
	return nil
}

func (b *exporter) writeDir(t *files.Tree, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	to, err := files.OpenTarget(dir, nil)
	if err != nil {
		return err
	}
	defer to.Close()
	p := &files.Copy{Verb: "output", Dest: "/", Chown: "0:0", Warn: b.Warn} // root is the caller
	if err := p.Add(t, ".", files.Options{}); err != nil {
		return err
	}
	return p.Write(b.Ctx, to)
}

// writeTar writes a tree as an archive: hard links once, no sockets.
func writeTar(ctx context.Context, t *files.Tree, w io.Writer) error {
	a := &tarTree{t: t, w: tar.NewWriter(w), links: map[uint64]string{}}
	err := fs.WalkDir(t.Root().FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || name == "." {
			return err
		}
		return a.add(name, d)
	})
	if err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return a.w.Close()
}

type tarTree struct {
	t     *files.Tree
	w     *tar.Writer
	links map[uint64]string // inodes with several names, and the first
}

func (a *tarTree) add(name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil || info.Mode()&fs.ModeSocket != 0 {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = a.t.Root().Readlink(name); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	h.Name, h.Uname, h.Gname, h.Format = name, "", "", tar.FormatPAX
	if info.IsDir() {
		h.Name += "/"
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok {
		own := a.t.OwnerOf(name, st)
		h.Uid, h.Gid = own.UID, own.GID
		h.Mode = h.Mode&^0o7777 | int64(a.t.ModeOf(name, st.Mode)&0o7777)
	}
	if ok && info.Mode().IsRegular() && st.Nlink > 1 {
		if first, ok := a.links[st.Ino]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
			return a.w.WriteHeader(h)
		}
		a.links[st.Ino] = name
	}
	switch {
	case info.IsDir():
		return a.dir(name, h)
	case info.Mode().IsRegular():
		return a.file(name, h)
	}
	return a.w.WriteHeader(h)
}

func (a *tarTree) dir(name string, h *tar.Header) error {
	f, err := a.t.Root().OpenFile(name, files.OpenFlags, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return a.header(f, h)
}

// header writes it with the attributes of a file.
func (a *tarTree) header(f *os.File, h *tar.Header) error {
	attrs, err := xattr.ReadFile(f)
	if err != nil {
		return err
	}
	xattr.ToHeader(h, attrs)
	return a.w.WriteHeader(h)
}

func (a *tarTree) file(name string, h *tar.Header) error {
	f, err := a.t.Root().OpenFile(name, files.OpenFlags, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := a.header(f, h); err != nil {
		return err
	}
	_, err = io.CopyN(a.w, f, h.Size)
	return err
}
