// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func read(t *testing.T, path string, o Options) (text string, entries int) {
	t.Helper()
	var b strings.Builder
	err := Read(path, o, func(e Entry) error {
		entries++
		b.Write(e.Text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), entries
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	for name, in := range map[string]string{
		"lines":        "one\ntwo\n",
		"no newline":   "prompt> ",
		"long line":    strings.Repeat("x", 3*MaxLine+7) + "\nend\n",
		"exact length": strings.Repeat("y", MaxLine) + "\n",
		"escapes":      "tab\t \"quoted\" back\\slash <&> \x1b[1m\u2028\x00\n",
		"unicode":      "grüße 世界\n",
		"empty lines":  "\n\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			w, err := Create(path, Rotation{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			s := w.Stream("stdout")
			for i := 0; i < len(in); i += 7 {
				if _, err := s.Write([]byte(in[i:min(i+7, len(in))])); err != nil {
					t.Fatal(err)
				}
			}
			s.Close()
			w.Close()
			if got, _ := read(t, path, Options{Tail: -1}); got != in {
				t.Errorf("read %q, wrote %q", got, in)
			}
			data, _ := os.ReadFile(path)
			for line := range bytes.Lines(data) {
				if !json.Valid(line) {
					t.Errorf("not JSON: %s", line)
				}
			}
		})
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, _ := Create(path, Rotation{}, nil)
	s := w.Stream("stderr")
	s.Write([]byte("1\n2\n3\n4\n"))
	for n, want := range map[int]string{0: "", 1: "4\n", 3: "2\n3\n4\n", 4: "1\n2\n3\n4\n", 9: "1\n2\n3\n4\n", -1: "1\n2\n3\n4\n"} {
		if got, _ := read(t, path, Options{Tail: n}); got != want {
			t.Errorf("tail %d: %q, want %q", n, got, want)
		}
	}
}

func TestSinceAndUntil(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, _ := Create(path, Rotation{}, nil)
	base := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := w.Stream("stdout")
	for i, line := range []string{"a\n", "b\n", "c\n"} {
		w.now = func() time.Time { return base.Add(time.Duration(i) * time.Second) }
		s.Write([]byte(line))
	}
	if got, _ := read(t, path, Options{Tail: -1, Since: base.Add(time.Second)}); got != "b\nc\n" {
		t.Errorf("since: %q", got)
	}
	if got, _ := read(t, path, Options{Tail: -1, Until: base.Add(time.Second)}); got != "a\nb\n" {
		t.Errorf("until: %q", got)
	}
}

func TestFollowEndsWithTheContainer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, _ := Create(path, Rotation{}, nil)
	s := w.Stream("stdout")
	s.Write([]byte("before\n"))
	done := make(chan struct{})
	got := make(chan string, 10)
	end := make(chan error, 1)
	go func() {
		end <- Read(path, Options{Tail: -1, Follow: true, Done: done}, func(e Entry) error {
			got <- string(e.Text)
			return nil
		})
	}()
	if line := <-got; line != "before\n" {
		t.Fatalf("read %q", line)
	}
	s.Write([]byte("after\n"))
	if line := <-got; line != "after\n" {
		t.Fatalf("read %q", line)
	}
	s.Write([]byte("last\n"))
	close(done)
	if err := <-end; err != nil {
		t.Fatal(err)
	}
	if line := <-got; line != "last\n" {
		t.Errorf("the last line before the end is %q", line)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"log":"a\n","stream":"stdout","time":"x"}` + "\n"))
	f.Add([]byte(`{"log":"\\","stream":"`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r := &reader{each: func(Entry) error { return nil }}
		fast, err := r.decode(line)
		var slow struct{ Log, Stream, Time string }
		if json.Unmarshal(line, &slow) == nil && err == nil && strings.HasPrefix(string(line), `{"log":"`) &&
			bytes.HasSuffix(line, []byte("\"}\n")) && bytes.Count(line, []byte(`"`)) == 12 && string(fast.Text) != slow.Log {
			t.Errorf("decoded %q, encoding/json says %q", fast.Text, slow.Log)
		}
	})
}
