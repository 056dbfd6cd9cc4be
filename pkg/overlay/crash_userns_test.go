// SPDX-License-Identifier: Apache-2.0

package overlay_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// role is another process of a test: it works on the store at root.
func role(name string, args []string) int {
	d, err := state.Open(args[0])
	if err != nil {
		fmt.Println(err)
		return 1
	}
	s, err := overlay.Open(d, overlay.Options{SingleID: os.Getenv("CORACLE_SINGLE_ID") == "1"})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if name == "stage" { // never gets to the end of its stream
		_, err = s.StageTar(context.Background(), io.MultiReader(bytes.NewReader(archive(entry{name: "f", text: strings.Repeat("x", 1<<20)})[:900<<10]), &announced{}))
	} else {
		err = errors.Join(shuffle(s, args[1]), s.Close())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// announced says that it was asked, and keeps the reader waiting.
type announced struct{}

func (announced) Read([]byte) (int, error) {
	fmt.Println("staging")
	select {}
}

// shuffle makes, tags, untags and deletes images, as many commands at once do.
func shuffle(s *overlay.Store, seed string) error {
	ctx := context.Background()
	n, _ := strconv.ParseUint(seed, 10, 64)
	rnd := rand.New(rand.NewPCG(n, 1))
	for i := range 15 {
		who := rnd.IntN(4)
		st, err := s.StageTar(ctx, bytes.NewReader(archive(entry{name: "who", text: strconv.Itoa(who)})))
		if err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
		id, err := s.Commit(st, "", nil)
		if err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
		img, err := s.CreateImage(ctx, overlay.NewImage{
			Config: config(who), Layers: []overlay.LayerID{id}, Names: []string{name(rnd.IntN(3))},
		})
		if err != nil && !gone(err) {
			return fmt.Errorf("create: %w", err)
		}
		if err != nil {
			continue
		}
		switch rnd.IntN(3) {
		case 0:
			err = s.Tag(ctx, img.ID, name(rnd.IntN(3)))
		case 1:
			err = s.Untag(ctx, img.ID, name(rnd.IntN(3)))
		case 2:
			_, err = s.DeleteImage(ctx, img.ID, nil)
		}
		if err != nil && !gone(err) {
			return fmt.Errorf("change: %w", err)
		}
	}
	return nil
}

// gone is what somebody else's delete between two steps of ours looks like; a file of
// a layer or an image that is missing is not.
func gone(err error) bool {
	text := err.Error()
	return !strings.Contains(text, "no such file") &&
		(strings.Contains(text, "not known") || strings.Contains(text, "does not exist") || strings.Contains(text, "no such") || strings.Contains(text, "is not an image"))
}

func config(i int) []byte {
	return fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","config":{"Labels":{"n":"%d"}},"rootfs":{"type":"layers"}}`, i)
}

func name(i int) string { return fmt.Sprintf("docker.io/library/name:%d", i) }

// another runs a role in this namespace.
func another(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", append([]string{"role"}, args...)...)
	if single(t) {
		cmd.Env = append(os.Environ(), "CORACLE_SINGLE_ID=1")
	}
	return cmd
}

func TestKilledWhileStaging(t *testing.T) {
	d, err := state.Open(filepath.Join(t.TempDir(), "root"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := another(t, "stage", d.Root)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if word, err := bufio.NewReader(out).ReadString('\n'); word != "staging\n" {
		t.Fatal(word, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	debris := func() (all []string) {
		for _, p := range []string{filepath.Join(d.Storage(), "overlay", "staging", "*"), filepath.Join(string(d.Tmp()), "*")} {
			found, err := filepath.Glob(p)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, found...)
		}
		return all
	}
	if len(debris()) < 2 {
		t.Fatalf("nothing was staged: %v", debris())
	}
	s := reopen(t, d)
	if left := debris(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	layer(t, s, "", archive(entry{name: "f", text: "x"}))
}

func TestManyProcessesKeepIndexAndStoreTheSame(t *testing.T) {
	s := store(t)
	var cmds []*exec.Cmd
	var texts [4]bytes.Buffer
	for i := range texts {
		cmd := another(t, "shuffle", s.Dirs().Root, strconv.Itoa(i))
		cmd.Stdout, cmd.Stderr = &texts[i], &texts[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v: %s", i, err, texts[i].String())
		}
	}
	before, err := overlay.ReadIndex(s.Dirs())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reindex(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := overlay.ReadIndex(s.Dirs())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for i := range max(len(before.Images), len(after.Images)) {
		if len(before.Images) != len(after.Images) || !slices.ContainsFunc(before.Images, func(o overlay.Image) bool {
			return o.ID == after.Images[i].ID && slices.Equal(o.Names, after.Images[i].Names)
		}) {
			t.Fatalf("the index says %+v, the store %+v", before.Images, after.Images)
		}
		for _, n := range after.Images[i].Names {
			if names[n] != "" {
				t.Errorf("%s is two images", n)
			}
			names[n] = after.Images[i].ID
		}
		if det, err := overlay.LoadImage(s.Dirs(), after.Images[i].ID); err != nil || len(det.LayerDirs) != 1 {
			t.Errorf("details: %v", err)
		} else if _, err := os.Stat(filepath.Join(det.LayerDirs[0], "who")); err != nil {
			t.Error(err)
		}
	}
	details, _ := os.ReadDir(s.Dirs().Images())
	if len(details) != len(after.Images) {
		t.Errorf("%d details of %d images", len(details), len(after.Images))
	}
}

func TestIndexIsMadeAgain(t *testing.T) {
	s := store(t)
	if ix, err := overlay.ReadIndex(s.Dirs()); err != nil || len(ix.Images) != 0 {
		t.Errorf("an empty store: %v, %v", ix, err)
	}
	id := layer(t, s, "", archive(entry{name: "f", text: "x"}))
	img, err := s.CreateImage(t.Context(), overlay.NewImage{Config: config(1), Layers: []overlay.LayerID{id}, Names: []string{name(1)}})
	if err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string]func() error{
		"lost":    func() error { return os.Remove(s.Dirs().ImageIndex()) },
		"damaged": func() error { return os.Truncate(s.Dirs().ImageIndex(), 20) },
		"empty":   func() error { return os.Truncate(s.Dirs().ImageIndex(), 0) },
		"old": func() error { // the library's list was written after it
			path := filepath.Join(s.Dirs().Storage(), "overlay-images", "images.json")
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return state.WriteFile(path, data, 0o600)
		},
		"details lost": func() error {
			return errors.Join(os.Remove(s.Dirs().ImageDetails(img.ID)), os.Remove(s.Dirs().ImageIndex()))
		},
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if _, err := overlay.ReadIndex(s.Dirs()); !errors.Is(err, overlay.ErrStaleIndex) {
			t.Errorf("%s: %v", what, err)
		}
		if err := s.Reindex(t.Context()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		ix, err := overlay.ReadIndex(s.Dirs())
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got, ok := ix.Find(name(1)); !ok || got.ID != img.ID || got.Labels["n"] != "1" {
			t.Errorf("%s: %+v", what, got)
		}
		if det, err := overlay.LoadImage(s.Dirs(), img.ID); err != nil || string(det.Config) != string(config(1)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, bad := range []string{"", "x", "../../etc/passwd", strings.Repeat("A", 64)} {
		if _, err := overlay.LoadImage(s.Dirs(), bad); err == nil {
			t.Errorf("loaded %q", bad)
		}
	}
}
