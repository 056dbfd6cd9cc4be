// SPDX-License-Identifier: Apache-2.0

package files

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/patternmatcher"
)

// tempTree is a directory with files, whose content is their name.
func tempTree(t *testing.T, ignore []string, files ...string) *Tree {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		p := filepath.Join(dir, f)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(f), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := OpenTree(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	if tr.Ignore, err = patternmatcher.New(ignore); err != nil {
		t.Fatal(err)
	}
	return tr
}

func tempTarget(t *testing.T) *Target {
	t.Helper()
	tg, err := OpenTarget(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tg.Close)
	return tg
}

// me owns what the tests write: they may give files to nobody else.
var me = fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())

// copied copies src of a tree into a target, and returns the warnings.
func copied(t *testing.T, tr *Tree, tg *Target, src, dest string, o Options) (warnings []string, err error) {
	t.Helper()
	c := &Copy{Verb: "COPY", Dest: dest, Chown: me, Warn: func(text string) { warnings = append(warnings, text) }}
	if err := c.Add(tr, src, o); err != nil {
		return warnings, err
	}
	return warnings, c.Write(t.Context(), tg)
}

// archive is a tree with an archive, a.tar, whose regular files have a byte.
func archive(t *testing.T, heads ...tar.Header) *Tree {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range heads {
		h.Format = tar.FormatPAX
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		data := []byte("x")
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(data))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	tr := tempTree(t, nil)
	if err := errors.Join(w.Close(), os.WriteFile(filepath.Join(tr.path, "a.tar"), b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	return tr
}
