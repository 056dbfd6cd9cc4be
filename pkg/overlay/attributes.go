// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/xattr"
)

// privatePrefix is where overlayfs keeps its own notes about files: a redirect
// or a metacopy of a layer's making would show files of other places.
const privatePrefix = "user.overlay."

// attributeName is how an archive carries such an attribute.
const attributeName = "SCHILY.xattr." + privatePrefix

// attributeWatch looks for such attributes in a stream. It does not parse the
// stream, so it cannot understand it in another way than who unpacks it; a
// file with these words in it only costs the search for nothing.
type attributeWatch struct {
	r    io.Reader
	seen bool
	tail []byte // the end of what was read before
}

func (w *attributeWatch) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if w.seen || n == 0 {
		return n, err
	}
	const keep = len(attributeName) - 1
	head := p[:min(n, keep)]
	w.seen = bytes.Contains(p[:n], []byte(attributeName)) || bytes.Contains(append(w.tail, head...), []byte(attributeName))
	if n >= keep {
		w.tail = append(w.tail[:0], p[n-keep:n]...)
	} else {
		w.tail = append(w.tail, head...)
		w.tail = w.tail[max(0, len(w.tail)-keep):]
	}
	return n, err
}

// stripAttributes removes overlayfs's notes from the files in dir, which no
// other process uses yet. The mark of an opaque directory stays: it is what a
// whiteout has become, and says no more than one.
func stripAttributes(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && !d.Type().IsRegular() {
			return nil // nothing else has attributes of users
		}
		names, err := xattr.Names(path)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !strings.HasPrefix(name, privatePrefix) || d.IsDir() && name == privatePrefix+"opaque" && attributeIs(path, name, "y") {
				continue
			}
			if err := unix.Lremovexattr(path, name); err != nil {
				return fmt.Errorf("remove attribute %s of %s: %w", name, path, err)
			}
		}
		return nil
	})
}

func attributeIs(path, name, value string) bool {
	buf := make([]byte, len(value)+1)
	n, err := unix.Lgetxattr(path, name, buf)
	return err == nil && string(buf[:n]) == value
}
