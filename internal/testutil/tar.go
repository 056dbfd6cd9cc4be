// SPDX-License-Identifier: Apache-2.0

package testutil

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// File is an entry of an archive or of a directory.
type File struct {
	Name string
	Kind byte // tar.Type…; 0 is a regular file
	Text string
	Link string
	Mode int64 // 0 is 0644
	Size int64 // of a file of zeros without a text
}

// WriteTar writes an archive of the files, which belong to root.
func WriteTar(to io.Writer, files []File) error {
	w := tar.NewWriter(to)
	for _, f := range files {
		h := &tar.Header{Name: f.Name, Typeflag: f.Kind, Linkname: f.Link, Mode: f.Mode, Size: int64(len(f.Text))}
		if f.Kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if f.Mode == 0 {
			h.Mode = 0o644
		}
		var text io.Reader = strings.NewReader(f.Text)
		if f.Size > 0 {
			h.Size, text = f.Size, io.LimitReader(zeros{}, f.Size)
		}
		if err := w.WriteHeader(h); err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
		if _, err := io.Copy(w, text); err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
	}
	return w.Close()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Tar is the archive of files as bytes.
func Tar(files []File) ([]byte, error) {
	var b bytes.Buffer
	err := WriteTar(&b, files)
	return b.Bytes(), err
}

// WriteDir writes directories, regular files and symbolic links below dir.
func WriteDir(dir string, files []File) error {
	for _, f := range files {
		path, mode := filepath.Join(dir, f.Name), os.FileMode(0o644)
		if f.Mode != 0 {
			mode = os.FileMode(f.Mode)
		}
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case f.Kind == tar.TypeDir:
			err = os.MkdirAll(path, mode)
		case f.Kind == tar.TypeSymlink:
			err = os.Symlink(f.Link, path)
		default:
			err = os.WriteFile(path, []byte(f.Text), mode)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ErrNoBusybox says that the host has no busybox to make root file systems of.
var ErrNoBusybox = errors.New("busybox is not installed: no root file system")

// Busybox are the files of a root file system: the host's busybox with a link for
// each of its applets, empty directories, and accounts for root and a user
// with supplementary groups.
func Busybox() ([]File, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return nil, ErrNoBusybox
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	applets, err := exec.Command(path, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("busybox --list: %w", err)
	}
	files := []File{{Name: "bin/busybox", Text: string(program), Mode: 0o755}}
	for _, d := range []string{"etc", "tmp", "root", "home", "proc", "sys", "dev", "var"} {
		files = append(files, File{Name: d, Kind: tar.TypeDir, Mode: 0o755})
	}
	for _, a := range strings.Fields(string(applets)) {
		if a != "busybox" && !strings.Contains(a, "/") {
			files = append(files, File{Name: "bin/" + a, Kind: tar.TypeSymlink, Link: "busybox"})
		}
	}
	return append(files,
		File{Name: "etc/passwd", Text: "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:U:/home:/bin/sh\n"},
		File{Name: "etc/group", Text: "root:x:0:\nwheel:x:10:root,user\nuser:x:1000:\nmore:x:2000:user\n"}), nil
}
