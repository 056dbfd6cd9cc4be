// SPDX-License-Identifier: Apache-2.0

package build

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// file is a file of an image; one with several names is there once.
type file struct {
	line string // kind, mode, owner, time, and what else is to be said of it
}

// tree is the files of an image by their names.
type tree map[string]*file

// apply puts a layer on top; of a plain archive whiteouts are files like others.
func (t tree) apply(r io.Reader, layer bool) error {
	var made []string // whiteouts do not concern what their layer has
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		dir, base := path.Split(name)
		switch hidden, ok := strings.CutPrefix(base, ".wh."); {
		case name == "":
			continue
		case !layer:
		case base == ".wh..wh..opq":
			t.remove(strings.TrimSuffix(dir, "/"), made, false)
			continue
		case ok:
			t.remove(dir+hidden, made, true)
			continue
		}
		made = append(made, name)
		if h.Typeflag != tar.TypeDir {
			t.remove(name, nil, true)
		}
		if h.Typeflag == tar.TypeLink {
			f := t[strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")]
			if f == nil {
				return fmt.Errorf("hard link %s to %s, which is not there", name, h.Linkname)
			}
			if strings.HasPrefix(f.line, "link") { // BuildKit's output of files has no hard links of these, its layers have
				f = &file{line: f.line}
			}
			t[name] = f
			continue
		}
		if old := t[name]; old != nil && !strings.HasPrefix(old.line, "dir") {
			t.remove(name, nil, true)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			return err
		}
		t[name] = &file{line: describe(h, data)}
	}
}

func (t tree) remove(name string, but []string, itself bool) {
	for n := range t {
		if (itself && n == name || strings.HasPrefix(n, name+"/")) && !slices.Contains(but, n) {
			delete(t, n)
		}
	}
}

// describe is a file without its name.
func describe(h *tar.Header, data []byte) string {
	kind := map[byte]string{tar.TypeReg: "file", tar.TypeDir: "dir", tar.TypeSymlink: "link", tar.TypeFifo: "fifo", tar.TypeChar: "char", tar.TypeBlock: "block"}[h.Typeflag]
	when := fmt.Sprint(h.ModTime.Unix())
	if h.ModTime.After(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)) {
		when = "now"
	}
	mode := fmt.Sprintf("%04o", h.Mode&0o7777)
	if kind == "link" {
		mode = "-"
	}
	line := fmt.Sprintf("%s %s %d:%d %s", kind, mode, h.Uid, h.Gid, when)
	switch h.Typeflag {
	case tar.TypeReg:
		line += fmt.Sprintf(" %d %.8x", len(data), sha256.Sum256(data))
	case tar.TypeSymlink:
		line += " -> " + h.Linkname
	case tar.TypeChar, tar.TypeBlock:
		line += fmt.Sprintf(" %d,%d", h.Devmajor, h.Devminor)
	}
	var attrs []string
	for k, v := range h.PAXRecords {
		if name, ok := strings.CutPrefix(k, "SCHILY.xattr."); ok {
			attrs = append(attrs, fmt.Sprintf(" %s=%q", name, v))
		}
	}
	slices.Sort(attrs)
	return line + strings.Join(attrs, "")
}

// String is a line for each name, in order, with the first name of a file that
// has more.
func (t tree) String() string {
	var names []string
	for n := range t {
		names = append(names, n)
	}
	slices.Sort(names)
	first := map[*file]string{}
	var b strings.Builder
	for _, n := range names {
		f := t[n]
		hard := ""
		if first[f] == "" {
			first[f] = n
		} else {
			hard = " = " + first[f]
		}
		fmt.Fprintf(&b, "%s: %s%s\n", n, f.line, hard)
	}
	return b.String()
}

// files are those of an archive, by their names.
func files(r io.Reader) (map[string][]byte, error) {
	m := map[string][]byte{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return nil, err
		}
		if m[h.Name], err = io.ReadAll(tr); err != nil {
			return nil, err
		}
	}
}

// readSaved reads an image in the form of docker save: its configuration, and
// its layers as tar archives.
func readSaved(data []byte) (config []byte, layers [][]byte, err error) {
	m, err := files(bytes.NewReader(data))
	if err != nil {
		return nil, nil, err
	}
	var list []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(m["manifest.json"], &list); err != nil || len(list) != 1 {
		return nil, nil, fmt.Errorf("manifest.json: %w", err)
	}
	for _, l := range list[0].Layers {
		layers = append(layers, m[l])
	}
	return m[list[0].Config], layers, nil
}

// settled is a configuration without what is another with each build.
func settled(config []byte) (string, error) {
	var c map[string]any
	if err := json.Unmarshal(config, &c); err != nil {
		return "", err
	}
	delete(c, "created")
	if list, ok := c["history"].([]any); ok {
		for _, h := range list {
			if h, ok := h.(map[string]any); ok {
				delete(h, "created")
			}
		}
	}
	if fs, ok := c["rootfs"].(map[string]any); ok {
		list, _ := fs["diff_ids"].([]any)
		fs["diff_ids"] = len(list)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(c)
	return b.String(), err
}
