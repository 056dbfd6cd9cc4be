// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"coracle/internal/testutil"
	"coracle/internal/testutil/store"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/container/transfer"
	"coracle/pkg/ns"
	"coracle/pkg/worker"
)

// TestMain is the worker, too.
func TestMain(m *testing.M) {
	if os.Args[0] == ns.StageWorker {
		os.Exit(worker.Main(Ops()...))
	}
	os.Exit(m.Run())
}

// odd is a name that is no text.
const odd = "odd\xff\xfe"

func newStore(t *testing.T) *container.Store {
	t.Helper()
	d := store.Dirs(t)
	return container.NewStore(d)
}

// stopped is a container that does not run, of an image with /etc/name, a file of an
// odd name and links to it; where there are no user namespaces the test ends.
func stopped(t *testing.T, mounts ...container.Mount) (*container.Store, *container.Container) {
	t.Helper()
	s, layer := newStore(t), t.TempDir()
	err := errors.Join(os.Chmod(layer, 0o755), os.Mkdir(filepath.Join(layer, "etc"), 0o755), os.Mkdir(filepath.Join(layer, "scratch"), 0o755),
		os.WriteFile(filepath.Join(layer, "etc", "name"), []byte("boat"), 0o640), os.WriteFile(filepath.Join(layer, odd), []byte("odd"), 0o644),
		os.Symlink(odd, filepath.Join(layer, "link")), syscall.Mkfifo(filepath.Join(layer, "pipe"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	r := &container.Record{Name: "box", LayerDirs: []string{layer}, Mounts: mounts}
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	c, err := s.Load(r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Stat(t.Context(), s, c, "/", false); err != nil {
		testutil.NeedsUserns(t, err)
	}
	return s, c
}

// read runs out with the writing end of a pipe, and returns the entries of the
// archive with their texts.
func read(t *testing.T, out func(w *os.File) ([]string, error)) (list string, left []string, err error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() {
		defer r.Close()
		var all []string
		for tr := tar.NewReader(r); ; {
			h, err := tr.Next()
			if err != nil {
				break
			}
			text, _ := io.ReadAll(io.LimitReader(tr, 100))
			all = append(all, strings.TrimSuffix(h.Name+"="+string(text), "="))
		}
		_, _ = io.Copy(io.Discard, r)
		got <- strings.Join(all, " ")
	}()
	left, err = out(w)
	w.Close()
	return <-got, left, err
}

// tarred is a file with an archive.
func tarred(t *testing.T, files ...testutil.File) *os.File {
	t.Helper()
	data, err := testutil.Tar(files)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	return f
}

func journal(t *testing.T, s *container.Store) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.Dirs().Root, "events.log"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

func TestStat(t *testing.T) {
	s, c := stopped(t)
	got, err := Stat(t.Context(), s, c, "/etc/name", false)
	if err != nil || got.Name != "name" || got.Size != 4 || got.Mode != 0o640 || time.Since(got.Mtime) > time.Hour || got.LinkTarget != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = Stat(t.Context(), s, c, "/link", false); err != nil || got.LinkTarget != odd || got.Mode&fs.ModeSymlink == 0 {
		t.Errorf("a link: %+v, %v", got, err)
	}
	if got, err = Stat(t.Context(), s, c, "/link", true); err != nil || got.Name != "link" || got.Size != 3 {
		t.Errorf("followed: %+v, %v", got, err)
	}
	if got, err = Stat(t.Context(), s, c, "/"+odd, true); err != nil || got.Name != odd {
		t.Errorf("odd: %+v, %v", got, err)
	}
	var missing *transfer.NotFoundError
	if _, err = Stat(t.Context(), s, c, "/nosuch", true); !errors.As(err, &missing) || missing.Path != "/nosuch" {
		t.Errorf("nothing: %v", err)
	}
	c.ID = strings.Repeat("0", 64)
	var gone *container.NotFoundError
	if _, err = Stat(t.Context(), s, c, "/", true); !errors.As(err, &gone) {
		t.Errorf("no container: %v", err)
	}
}

func TestOut(t *testing.T) {
	s, c := stopped(t)
	var stat moby.PathStat
	list, left, err := read(t, func(w *os.File) ([]string, error) {
		return Out(t.Context(), s, c, w, OutOptions{Path: "/etc", As: "as" + odd}, func(i moby.PathStat) error {
			stat = i
			return nil
		})
	})
	if want := "as" + odd + "/ as" + odd + "/name=boat"; list != want || len(left) > 0 || err != nil || stat.Name != "etc" || !stat.Mode.IsDir() {
		t.Errorf("%q, %q, %v, %+v", list, left, err, stat)
	}
	if got := journal(t, s); !strings.Contains(got, "archive-path") {
		t.Errorf("events %s", got)
	}
	list, _, err = read(t, func(w *os.File) ([]string, error) {
		return Out(t.Context(), s, c, w, OutOptions{Path: "/link", As: "l", Follow: true}, nil)
	})
	if list != "l=odd" || err != nil {
		t.Errorf("%q, %v", list, err)
	}
	no := errors.New("no")
	if _, _, err = read(t, func(w *os.File) ([]string, error) {
		return Out(t.Context(), s, c, w, OutOptions{Path: "/etc", As: "e"}, func(moby.PathStat) error { return no })
	}); !errors.Is(err, no) {
		t.Errorf("refused: %v", err)
	}
	var missing *transfer.NotFoundError
	if list, _, err = read(t, func(w *os.File) ([]string, error) {
		return Out(t.Context(), s, c, w, OutOptions{Path: "/nosuch", As: "x"}, func(moby.PathStat) error { return no })
	}); !errors.As(err, &missing) || list != "" {
		t.Errorf("nothing: %q, %v", list, err)
	}
}

func TestNobodyReads(t *testing.T) {
	s, c := stopped(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	var lost *control.OutputError
	if _, err := Export(t.Context(), s, c, w); !errors.As(err, &lost) || !errors.Is(err, syscall.EPIPE) || lost.Stream != w.Name() {
		t.Errorf("%v", err)
	}
}

func TestIn(t *testing.T) {
	s, c := stopped(t)
	upper := c.Dir().Upper()
	text := func(name string) string {
		data, err := os.ReadFile(filepath.Join(upper, name))
		if err != nil {
			return err.Error()
		}
		return string(data)
	}
	if _, err := In(t.Context(), s, c, tarred(t, testutil.File{Name: odd, Text: "1"}), InOptions{Path: "/etc"}, nil); err != nil || text("etc/"+odd) != "1" {
		t.Errorf("%v, %q", err, text("etc/"+odd))
	}
	if got := journal(t, s); !strings.Contains(got, "extract-to-dir") {
		t.Errorf("events %s", got)
	}
	// As cp: the name comes from where it goes.
	for _, tt := range []struct {
		path string
		src  Source
		as   string
	}{
		{"/etc/new", Source{Name: "f"}, "new"}, {"/etc", Source{Name: "f" + odd}, "f" + odd}, {"/link", Source{Name: "f"}, odd},
		{"/etc", Source{Name: "d", Dir: true, Contents: true}, ""},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		as := "nobody said"
		_, err = In(t.Context(), s, c, r, InOptions{Path: tt.path, Source: &tt.src}, func(name string) {
			as = name
			w.Close()
		})
		if r.Close(); err != nil || as != tt.as {
			t.Errorf("%+v to %s: %q, %v; want %q", tt.src, tt.path, as, err, tt.as)
		}
	}
	var place *PlaceError
	_, err := In(t.Context(), s, c, tarred(t), InOptions{Path: "/pipe", Source: &Source{Name: "f"}}, func(string) { t.Error("it begins") })
	if !errors.As(err, &place) || place.Reason != OntoIrregular || place.Path != "/pipe" {
		t.Errorf("onto a pipe: %v", err)
	}
	var missing *transfer.NotFoundError
	if _, err := In(t.Context(), s, c, tarred(t), InOptions{Path: "/nosuch"}, nil); !errors.As(err, &missing) {
		t.Errorf("into nothing: %v", err)
	}
	var file *transfer.NotDirectoryError
	if _, err := In(t.Context(), s, c, tarred(t), InOptions{Path: "/etc/name"}, nil); !errors.As(err, &file) || file.Path != "/etc/name" {
		t.Errorf("into a file: %v", err)
	}
	if _, err := In(t.Context(), s, c, tarred(t, testutil.File{Name: "../up", Text: "x"}), InOptions{Path: "/etc"}, nil); err == nil || !strings.Contains(err.Error(), "outside of it") {
		t.Errorf("up: %v", err)
	}
}

func TestReadOnlyAndTmpfs(t *testing.T) {
	host := t.TempDir()
	s, c := stopped(t, container.Mount{Type: container.MountTmpfs, Target: "/scratch"}, container.Mount{Type: container.MountBind, Source: host, Target: "/bound", ReadOnly: true})
	var ro *transfer.ReadOnlyError
	if _, err := In(t.Context(), s, c, tarred(t), InOptions{Path: "/bound"}, nil); !errors.As(err, &ro) || !ro.Mounted {
		t.Errorf("read-only: %v", err)
	}
	if _, err := In(t.Context(), s, c, tarred(t), InOptions{Path: "/scratch"}, nil); err == nil || !strings.Contains(err.Error(), "/scratch is a tmpfs") {
		t.Errorf("tmpfs: %v", err)
	}
	if err := os.WriteFile(filepath.Join(host, "f"), []byte("bound"), 0o644); err != nil {
		t.Fatal(err)
	}
	list, _, err := read(t, func(w *os.File) ([]string, error) {
		return Out(t.Context(), s, c, w, OutOptions{Path: "/bound/f", As: "f"}, nil)
	})
	if list != "f=bound" || err != nil {
		t.Errorf("%q, %v", list, err)
	}
	list, _, err = read(t, func(w *os.File) ([]string, error) { return Export(t.Context(), s, c, w) })
	if !strings.Contains(list, "etc/name=boat") || !strings.Contains(list, odd+"=odd") || strings.Contains(list, "bound/f") || err != nil {
		t.Errorf("export %q, %v", list, err)
	}
}

// TestTheEndOfTheContext: a stream that never ends, or is never read, is given up,
// and the container can be mounted again at once.
func TestTheEndOfTheContext(t *testing.T) {
	s, c := stopped(t)
	big, err := os.Create(filepath.Join(c.LayerDirs[0], "big"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(big.Truncate(1<<40), big.Close()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	list, _, err := read(t, func(w *os.File) ([]string, error) {
		return Out(ctx, s, c, w, OutOptions{Path: "/big", As: "big"}, func(moby.PathStat) error {
			cancel()
			return nil
		})
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("out: %d bytes, %v", len(list), err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel = context.WithCancel(t.Context())
	_, err = In(ctx, s, c, r, InOptions{Path: "/etc", Source: &Source{Name: "f"}}, func(string) {
		cancel()
		w.Close()
	})
	if !errors.Is(err, context.Canceled) && err != nil { // the end of the stream may have been faster
		t.Errorf("in: %v", err)
	}
	if _, err := Stat(t.Context(), s, c, "/", false); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestChangesWhereWeMayNotLook(t *testing.T) {
	s, c := stopped(t)
	if os.Getuid() == 0 {
		t.Skip("root may look everywhere")
	}
	closed := filepath.Join(c.Dir().Upper(), "closed")
	if err := errors.Join(os.Mkdir(closed, 0o700), os.WriteFile(filepath.Join(closed, odd), nil, 0o600), os.Chmod(closed, 0)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })
	if _, err := changes(t.Context(), c); !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("we may: %v", err)
	}
	list, err := Changes(t.Context(), s, c)
	if err != nil || len(list) != 2 || list[0].Path != "/closed" || list[1].Path != "/closed/"+odd || list[1].Kind != moby.ChangeAdd {
		t.Errorf("%q, %v", list, err)
	}
	// So it is with the layers below, which decide what was there.
	if err := errors.Join(os.Chmod(closed, 0o700), os.Mkdir(filepath.Join(c.LayerDirs[0], "closed"), 0o300)); err != nil {
		t.Fatal(err)
	}
	if list, err = Changes(t.Context(), s, c); err != nil || len(list) != 2 || list[0].Kind != moby.ChangeModify || list[1].Kind != moby.ChangeAdd {
		t.Errorf("below: %q, %v", list, err)
	}
}

func TestOutputIsWrittenWhole(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := (output{f}).Write(bytes.Repeat([]byte("x"), 1000)); n != 1000 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
