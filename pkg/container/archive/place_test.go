// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"testing"

	"coracle/pkg/container/transfer"
)

// world are places by path, for a stat that follows no links at the end.
type world map[string]transfer.Info

func (w world) stat(path string) (transfer.Info, error) {
	if path == "/bad" {
		return transfer.Info{}, fs.ErrPermission
	}
	clean := strings.TrimSuffix(strings.TrimSuffix(path, "."), "/")
	i, ok := w[clean]
	if !ok {
		return i, &transfer.NotFoundError{Path: path}
	}
	return i, nil
}

func newWorld() world {
	w := world{
		"/dir": {Mode: fs.ModeDir}, "/file": {}, "/null": {Mode: fs.ModeDevice | fs.ModeCharDevice}, "/pipe": {Mode: fs.ModeNamedPipe},
		"/abs": {Mode: fs.ModeSymlink, LinkTarget: "/dir"}, "/dir/rel": {Mode: fs.ModeSymlink, LinkTarget: "../file"},
		"/dangling": {Mode: fs.ModeSymlink, LinkTarget: "made"}, "/loop": {Mode: fs.ModeSymlink, LinkTarget: "loop"},
		"/odd": {Mode: fs.ModeSymlink, LinkTarget: "\xff"}, "/\xff": {Mode: fs.ModeDir},
	}
	return w
}

// TestPlace is docker's table of what becomes of a source and a destination.
func TestPlace(t *testing.T) {
	file, dir := Source{Name: "src"}, Source{Name: "src", Dir: true}
	contents := Source{Name: "src", Dir: true, Contents: true}
	stream := Source{Dir: true, Contents: true, Existing: true}
	for _, tt := range []struct {
		dst     string
		src     Source
		in, as  string
		refused string
	}{
		{"/new", file, "/", "new", ""},
		{"/new/", file, "", "", NoDirectory},
		{"/new/.", file, "", "", NoDirectory},
		{"/new", dir, "/", "new", ""},
		{"/new/", dir, "/", "new", ""},
		{"/new", contents, "/", "new", ""},
		{"/dir", file, "/dir", "src", ""},
		{"/dir/", dir, "/dir/", "src", ""},
		{"/dir", contents, "/dir", "", ""},
		{"/dir", Source{Name: "/", Dir: true}, "/dir", "", ""}, // of the root there is nothing but its contents
		{"/file", file, "/", "file", ""},
		{"/file", dir, "", "", DirOntoFile},
		{"/file", contents, "", "", DirOntoFile},
		{"/null", file, "", "", OntoDevice},
		{"/pipe", dir, "", "", OntoIrregular},
		{"/abs", file, "/dir", "src", ""},
		{"/dir/rel", file, "/", "file", ""},
		{"/dangling", file, "/", "made", ""},
		{"/odd", file, "/\xff", "src", ""},
		{"/dir", stream, "/dir", "", ""},
		{"/file", stream, "", "", NotDirectory},
		{"/new", stream, "", "", NotDirectory},
		{"/null", stream, "", "", OntoDevice},
	} {
		to, err := Find(tt.dst, newWorld().stat)
		if err != nil {
			t.Errorf("%s: %v", tt.dst, err)
			continue
		}
		var refused *PlaceError
		if err := to.Check(tt.src); tt.refused != "" {
			if !errors.As(err, &refused) || refused.Reason != tt.refused || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%+v to %s: %v, want %q", tt.src, tt.dst, err, tt.refused)
			}
			continue
		} else if err != nil {
			t.Errorf("%+v to %s: %v", tt.src, tt.dst, err)
		}
		if in, as := to.Place(tt.src); in != tt.in || as != tt.as {
			t.Errorf("%+v to %s: %q in %q, want %q in %q", tt.src, tt.dst, as, in, tt.as, tt.in)
		}
	}
}

func TestFindEnds(t *testing.T) {
	if _, err := Find("/loop", newWorld().stat); err == nil || !strings.Contains(err.Error(), "too many links") {
		t.Errorf("a loop: %v", err)
	}
	if _, err := Find("/bad", newWorld().stat); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("what cannot be looked at: %v", err)
	}
	n := 0 // each leads to another
	_, err := Find("/0", func(string) (transfer.Info, error) {
		n++
		return transfer.Info{Mode: fs.ModeSymlink, LinkTarget: "/" + strconv.Itoa(n)}, nil
	})
	if err == nil || n != maxLinks {
		t.Errorf("after %d: %v", n, err)
	}
}
