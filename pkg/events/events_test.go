// SPDX-License-Identifier: Apache-2.0

package events

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func read(t *testing.T, dir string, o Options) []string {
	t.Helper()
	var list []string
	err := Read(context.Background(), dir, o, func(e Event) error {
		list = append(list, e.Action)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func add(t *testing.T, dir, action string) {
	t.Helper()
	if err := Append(dir, New(Container, action, "id", map[string]string{"image": "i"})); err != nil {
		t.Fatal(err)
	}
}

func TestReadsInOrder(t *testing.T) {
	dir := t.TempDir()
	if got := read(t, dir, Options{Past: true}); len(got) != 0 {
		t.Fatalf("an empty journal: %v", got)
	}
	add(t, dir, "create")
	add(t, dir, "start")
	between := time.Now()
	add(t, dir, "die")
	if got := strings.Join(read(t, dir, Options{Past: true}), " "); got != "create start die" {
		t.Errorf("events: %s", got)
	}
	if got := strings.Join(read(t, dir, Options{Since: between}), " "); got != "die" {
		t.Errorf("events since: %s", got)
	}
	if got := strings.Join(read(t, dir, Options{Past: true, Until: between}), " "); got != "create start" {
		t.Errorf("events until: %s", got)
	}
}

// TestFollow reads what many write at the same time while the journal is begun
// again.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	const writers, each = 8, 50
	done := errors.New("done")
	got := map[string]bool{}
	ready := make(chan struct{})
	result := make(chan error, 1)
	add(t, dir, "first")
	go func() {
		result <- Read(context.Background(), dir, Options{Past: true, Follow: true}, func(e Event) error {
			if e.Action == "first" {
				close(ready)
				return nil
			}
			if got[e.Action] {
				return fmt.Errorf("%s came twice", e.Action)
			}
			if got[e.Action] = true; len(got) == writers*each {
				return done
			}
			return nil
		})
	}()
	<-ready
	if err := os.Rename(filepath.Join(dir, fileName), filepath.Join(dir, oldName)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				add(t, dir, fmt.Sprintf("%d-%d", w, i))
			}
		})
	}
	wg.Wait()
	select {
	case err := <-result:
		if err != done {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("not all events arrived")
	}
}

// TestFromNow: who asks for what is to come is not made to read what was, however
// long that is.
func TestFromNow(t *testing.T) {
	for _, before := range []string{"", "{\"Type\":\"container\",\"Action\":\"old\",\"timeNano\":9000000000000000000}\n"} {
		dir := t.TempDir()
		if before != "" {
			if err := os.WriteFile(filepath.Join(dir, fileName), []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		done := errors.New("done")
		var got []string
		o := Options{Follow: true, Ready: func() {
			add(t, dir, "new")
			if before != "" { // it is open already
				if err := os.Rename(filepath.Join(dir, fileName), filepath.Join(dir, oldName)); err != nil {
					t.Error(err)
				}
			}
			add(t, dir, "newer")
		}}
		err := Read(t.Context(), dir, o, func(e Event) error {
			if got = append(got, e.Action); len(got) == 2 {
				return done
			}
			return nil
		})
		if want := "new newer"; err != done || strings.Join(got, " ") != want {
			t.Errorf("after %q: %v, %v, want %s", before, got, err, want)
		}
	}
}

func TestBeginsAgain(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), make([]byte, maxSize), 0o600); err != nil {
		t.Fatal(err)
	}
	add(t, dir, "last")
	add(t, dir, "new")
	if st, err := os.Stat(filepath.Join(dir, fileName)); err != nil || st.Size() > 1000 {
		t.Errorf("the journal was not begun again: %v, %v", st, err)
	}
	if got := strings.Join(read(t, dir, Options{Past: true}), " "); !strings.HasSuffix(got, "new") {
		t.Errorf("events: %s", got)
	}
}

// FuzzRead checks that no journal stops its readers: what is no event is left
// out, and what follows is read.
func FuzzRead(f *testing.F) {
	f.Add([]byte("{\"Action\":\"x\"}\n"))
	f.Add([]byte("{\"Action\":"))
	f.Add([]byte("\x00\n\n{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), append(data, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		add(t, dir, "after")
		list := read(t, dir, Options{Past: true})
		if len(list) == 0 || list[len(list)-1] != "after" {
			t.Errorf("events: %q", list)
		}
	})
}
