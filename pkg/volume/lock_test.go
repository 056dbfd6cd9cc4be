// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"coracle/pkg/state"
)

// TestMain is also a process that makes and removes volumes.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "member" {
		rounds, err := strconv.Atoi(os.Args[4])
		if err == nil {
			err = member(os.Args[2], os.Args[3], rounds)
		}
		if err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestStaysWhileItIsHeld has a volume removed between the moment that create has
// found it and the moment that the container's record names it.
func TestStaysWhileItIsHeld(t *testing.T) {
	s, c := newStore(t)
	name := create(t, s, "", nil).Name
	removals := map[string]func(context.Context) error{
		"remove":    func(ctx context.Context) error { return s.Remove(ctx, name) },
		"anonymous": func(ctx context.Context) error { return s.RemoveAnonymous(ctx, []string{name}) },
		"prune": func(ctx context.Context) error {
			p, err := s.Prune(ctx, func(Volume) bool { return true })
			return errors.Join(append(p.Failed, err)...)
		},
	}
	var lock *state.Lock
	var err error
	var other sync.WaitGroup // as another process has it: not a lock of this goroutine
	other.Go(func() { lock, err = s.Hold(t.Context()) })
	if other.Wait(); err != nil {
		t.Fatal(err)
	}
	now, cancel := context.WithCancel(t.Context())
	cancel() // nobody waits
	for what, remove := range removals {
		if err := remove(now); !errors.Is(err, state.ErrLocked) {
			t.Errorf("%s while it is held: %v", what, err)
		}
	}
	if v, made, err := s.Ensure(t.Context(), name, nil, nil); err != nil || made || !v.Anonymous {
		t.Errorf("%+v made %v: %v", v, made, err)
	}
	if err := c.add("one", name); err != nil {
		t.Fatal(err)
	}
	lock.Release()
	for what, remove := range removals {
		var used *InUseError
		if err := remove(t.Context()); errors.As(err, &used) != (what == "remove") {
			t.Errorf("%s while it is used: %v", what, err)
		}
	}
	if _, err := s.Load(name); err != nil {
		t.Error(err)
	}
}

// done is what a member has done.
type done struct{ Made, Found, Refused, Removed, Pruned int }

func (d *done) add(o done) {
	d.Made, d.Found, d.Refused, d.Removed, d.Pruned = d.Made+o.Made, d.Found+o.Found, d.Refused+o.Refused, d.Removed+o.Removed, d.Pruned+o.Pruned
}

// member is a process of two that make containers with volumes, look after the
// volumes, and remove everything, all at once. It says what it has done after
// each round.
func member(root, id string, rounds int) error {
	s, err := open(root)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	errs := make(chan error, 2)
	for line := range 2 {
		go func() {
			for i := range rounds {
				var d done
				if err := oneLife(s, fmt.Sprintf("%s-%d-%d", id, line, i), i, &d); err != nil {
					errs <- fmt.Errorf("round %d: %w", i, err)
					return
				}
				mu.Lock()
				_ = out.Encode(d)
				mu.Unlock()
			}
			errs <- nil
		}()
	}
	return errors.Join(<-errs, <-errs)
}

// content is what the image of all containers has in the place of their volume.
const content = "the image's\n"

// oneLife is that of a container with one volume, one of three names or its own.
func oneLife(s *Store, id string, round int, d *done) error {
	c := crewOf(s.dirs)
	ctx, image := context.Background(), filepath.Join(s.dirs.Root, "image")
	root, err := os.Open(image)
	if err != nil {
		return err
	}
	defer root.Close()
	v, err := begin(s, c, id, []string{"first", "second", "third", ""}[round%4], d)
	if err != nil {
		return err
	}
	// From here on nobody may take it.
	if err := s.Fill(ctx, v.Name, "/d", root); err != nil {
		return err
	}
	mark := filepath.Join(s.DataDir(v.Name), id)
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return err
	}
	var used *InUseError
	if err := s.Remove(ctx, v.Name); !errors.As(err, &used) {
		return fmt.Errorf("%s could be removed while %s had it: %w", v.Name, id, err)
	}
	d.Refused++
	p, err := s.Prune(ctx, func(v Volume) bool { return true })
	if err = errors.Join(append(p.Failed, err)...); err != nil {
		return err
	}
	d.Pruned += len(p.Names)
	if text, err := os.ReadFile(filepath.Join(s.DataDir(v.Name), "f")); err != nil || string(text) != content {
		return fmt.Errorf("content of %s: %q %w", v.Name, text, err)
	}
	if err := os.Remove(mark); err != nil {
		return fmt.Errorf("%s was lost while %s had it: %w", v.Name, id, err)
	}
	return errors.Join(c.remove(id), finish(s, v, d))
}

// begin makes a container, as create does.
func begin(s *Store, c crew, id, name string, d *done) (Volume, error) {
	lock, err := s.Hold(context.Background())
	if err != nil {
		return Volume{}, err
	}
	defer lock.Release()
	v, made, err := s.Ensure(context.Background(), name, nil, nil)
	if made {
		d.Made++
	} else {
		d.Found++
	}
	return v, errors.Join(err, c.add(id, v.Name))
}

// finish removes the volume of a container that is gone.
func finish(s *Store, v Volume, d *done) error {
	if v.Anonymous {
		err := s.RemoveAnonymous(context.Background(), []string{v.Name})
		var missing *NotFoundError
		if _, lerr := s.Load(v.Name); !errors.As(lerr, &missing) {
			return fmt.Errorf("an anonymous volume was left behind: %w", lerr)
		}
		return err
	}
	err := s.Remove(context.Background(), v.Name)
	var used *InUseError
	var missing *NotFoundError
	switch {
	case err == nil:
		d.Removed++
	case errors.As(err, &used), errors.As(err, &missing): // others have it, or have removed it
		return nil
	}
	return err
}

// TestManyAtOnce has several processes create, fill, use, remove and prune the same
// volumes. A volume in use stays, with all that is in it; in the end none is left.
func TestManyAtOnce(t *testing.T) {
	s, c := newStore(t)
	writeImage(t, s)
	var all done
	for _, m := range members(t, s, 3, 12) {
		for line := range m.lines {
			all.add(decode(t, line))
		}
		if err := m.cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if all.Made == 0 || all.Refused == 0 || all.Removed+all.Pruned == 0 || all.Made+all.Found != 3*2*12 {
		t.Errorf("they were not all at it: %+v", all)
	}
	if left, _ := os.ReadDir(c.dir); len(left) != 0 {
		t.Errorf("left of the crew: %v", left)
	}
	nothingLeft(t, s)
	t.Logf("%+v", all)
}

// TestKilledAtOnce is the same with processes that are killed, wherever they are.
func TestKilledAtOnce(t *testing.T) {
	s, c := newStore(t)
	writeImage(t, s)
	all := members(t, s, 4, 1000)
	for i, m := range all {
		for range 2 + i { // the others go on meanwhile
			line, ok := <-m.lines
			if !ok {
				t.Fatal("a member ended by itself")
			}
			decode(t, line)
		}
		_ = m.cmd.Process.Kill()
		for line := range m.lines {
			decode(t, line)
		}
		_ = m.cmd.Wait()
	}
	// What containers there are still have their volumes.
	who, err := s.Users()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range strings.Fields(names(t, s)) {
		err := s.Remove(t.Context(), v)
		var used *InUseError
		if errors.As(err, &used) != (len(who(v)) > 0) {
			t.Errorf("remove %s: %v, it has %v", v, err, who(v))
		}
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(c.dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(string(text)); err != nil {
			t.Errorf("%s has lost its volume: %v", e.Name(), err)
		}
		if err := c.remove(e.Name()); err != nil {
			t.Fatal(err)
		}
	}
	nothingLeft(t, s)
}

type process struct {
	cmd   *exec.Cmd
	lines chan string
}

func members(t *testing.T, s *Store, n, rounds int) []process {
	t.Helper()
	var all []process
	for i := range n {
		cmd := exec.Command(os.Args[0], "member", s.dirs.Root, "m"+strconv.Itoa(i), strconv.Itoa(rounds))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		m := process{cmd, make(chan string)}
		go func(out io.Reader) {
			defer close(m.lines)
			for r := bufio.NewScanner(out); r.Scan(); {
				m.lines <- r.Text()
			}
		}(out)
		all = append(all, m)
	}
	return all
}

// decode reads what a member says after a round. The last line of one that was
// killed is whole: a write of a few bytes to a pipe is (pipe(7)).
func decode(t *testing.T, line string) (d done) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &d); err != nil {
		t.Fatal(line)
	}
	return d
}

func writeImage(t *testing.T, s *Store) {
	t.Helper()
	dir := filepath.Join(s.dirs.Root, "image", "d")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "f"), []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// nothingLeft prunes what nobody has any more, and looks for what that leaves.
func nothingLeft(t *testing.T, s *Store) {
	t.Helper()
	p, err := s.Prune(t.Context(), func(Volume) bool { return true })
	if err = errors.Join(append(p.Failed, err, s.dirs.Tmp().Sweep())...); err != nil {
		t.Error(err)
	}
	if got := names(t, s); got != "" {
		t.Errorf("volumes are left: %s", got)
	}
	entries, err := os.ReadDir(string(s.dirs.Tmp()))
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "crew-") {
			t.Errorf("left in tmp: %s", e.Name())
		}
	}
	if err != nil {
		t.Error(err)
	}
}
