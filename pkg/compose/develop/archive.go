// SPDX-License-Identifier: Apache-2.0

package develop

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/compose-spec/compose-go/v2/cli"
)

// Change is a path here and where it belongs in a container.
type Change struct{ Path, Target string }

// Split tells what is here from what is gone.
func Split(list []Change) (here, gone []Change) {
	for _, c := range list {
		if _, err := os.Lstat(c.Path); missing(err) {
			gone = append(gone, c)
		} else {
			here = append(here, c)
		}
	}
	return here, gone
}

// Write writes what is here as an archive, whose names are the targets without the
// slash that they begin with. Of two with one target the last counts; what has gone
// meanwhile, and what is neither file, directory nor link, is left out. Without
// filled, directories that something else of the archive is in are left out, too.
func Write(w io.Writer, list []Change, filled bool) error {
	last, holds := map[string]int{}, map[string]bool{}
	for i, c := range list {
		last[c.Target] = i
		holds[path.Dir(c.Target)] = true
	}
	t := tar.NewWriter(w)
	for i, c := range list {
		if last[c.Target] != i {
			continue
		}
		info, err := os.Lstat(c.Path)
		if missing(err) || err == nil && info.IsDir() && !filled && holds[c.Target] {
			continue
		}
		if err == nil {
			err = writeOne(t, c, info)
		}
		if err != nil {
			return err
		}
	}
	return t.Close()
}

func writeOne(t *tar.Writer, c Change, info fs.FileInfo) error {
	h := &tar.Header{Name: strings.TrimPrefix(path.Clean("/"+c.Target), "/"), Mode: int64(info.Mode().Perm()), ModTime: info.ModTime()}
	switch mode := info.Mode(); {
	case h.Name == "":
		return nil
	case mode.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		return t.WriteHeader(h)
	case mode&fs.ModeSymlink != 0:
		var err error
		if h.Linkname, err = os.Readlink(c.Path); err != nil {
			return gone(err)
		}
		h.Typeflag = tar.TypeSymlink
		return t.WriteHeader(h)
	case !mode.IsRegular():
		return nil
	}
	f, err := os.Open(c.Path)
	if err != nil {
		return gone(err)
	}
	defer f.Close()
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	// It may change at this moment: then it is copied again.
	n, err := io.CopyN(t, f, h.Size)
	if errors.Is(err, io.EOF) {
		_, err = io.CopyN(t, zeros{}, h.Size-n)
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", c.Path, err)
	}
	return nil
}

// gone leaves out of errors that something is not there any more.
func gone(err error) error {
	if missing(err) {
		return nil
	}
	return err
}

// missing reports whether something is not there any more: where it was there may be
// a file now.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Initial are the files that a rule is about, as they are now: but for Dockerfiles and
// Compose files, as docker compose has it.
func (r Rule) Initial(dockerfile string) (list []Change, err error) {
	not := slices.Concat([]string{"Dockerfile", filepath.Base(dockerfile)}, cli.DefaultFileNames, cli.DefaultOverrideFileNames)
	err = filepath.WalkDir(r.Path, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && file == r.Path:
			return err
		case err != nil:
			return nil
		case d.IsDir() && r.SkipsAll(file):
			return fs.SkipDir
		case !d.IsDir() && r.Matches(file) && !slices.Contains(not, d.Name()):
			list = append(list, Change{file, r.Target(file)})
		}
		return nil
	})
	return list, err
}
