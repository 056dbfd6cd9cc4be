// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func TestRotationKeepsTheNewest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, err := Create(path, Rotation{Size: 2000, Files: 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := w.Stream("stdout")
	for i := 0; i < 500; i += 50 { // one write that fills several files
		if _, err := s.Write([]byte(lines(i, i+50))); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	files, _ := filepath.Glob(path + "*")
	if len(files) != 3 {
		t.Errorf("files %v, want 3", files)
	}
	for _, f := range files {
		data, _ := os.ReadFile(f)
		if len(data) > 2200 {
			t.Errorf("%s has %d bytes", f, len(data))
		}
		for line := range bytes.Lines(data) {
			if !json.Valid(line) {
				t.Errorf("%s: torn: %s", f, line)
			}
		}
	}
	all, n := read(t, path, Options{Tail: -1})
	if n < 50 || all != lines(500-n, 500) {
		t.Errorf("%d lines that are not the newest: %.100s", n, all)
	}
	for _, tail := range []int{0, 1, 30, 50, n} { // over the ends of files
		if got, _ := read(t, path, Options{Tail: tail}); got != lines(500-tail, 500) {
			t.Errorf("tail %d: %.100q…", tail, got)
		}
	}
	// A container that is started again goes on where it was.
	if w, err = Create(path, Rotation{Size: 2000, Files: 3}, nil); err != nil {
		t.Fatal(err)
	}
	w.Stream("stdout").Write([]byte("again\n"))
	if got, _ := read(t, path, Options{Tail: 1}); got != "again\n" {
		t.Errorf("after another start: %q", got)
	}
}

func TestASingleFileIsEmptied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, _ := Create(path, Rotation{Size: 500, Files: 1}, nil)
	for i := range 100 {
		w.Stream("stdout").Write([]byte(lines(i, i+1)))
	}
	files, _ := filepath.Glob(path + "*")
	got, n := read(t, path, Options{Tail: -1})
	if len(files) != 1 || got != lines(100-n, 100) {
		t.Errorf("%v: %q", files, got)
	}
}

func TestFollowOverRotations(t *testing.T) {
	for _, files := range []int{1, 2, 1000} {
		path := filepath.Join(t.TempDir(), "log")
		w, _ := Create(path, Rotation{Size: 3000, Files: files}, nil)
		const total = 5000
		done := make(chan struct{})
		go func() {
			defer close(done)
			s := w.Stream("stdout")
			for i := range total {
				s.Write([]byte(lines(i, i+1)))
			}
		}()
		next, missed := 0, 0
		err := Read(path, Options{Tail: -1, Follow: true, Done: done}, func(e Entry) error {
			var n int
			if _, err := fmt.Sscanf(string(e.Text), "line %d\n", &n); err != nil || n < next {
				t.Fatalf("%d files: read %q after line %d", files, e.Text, next-1)
			}
			missed += n - next
			next = n + 1
			return nil
		})
		if err != nil || next != total || files == 1000 && missed > 0 {
			t.Errorf("%d files: read up to %d, missed %d: %v", files, next, missed, err)
		}
	}
}

func TestAttributes(t *testing.T) {
	attrs := Attributes(map[string]string{"labels": "a,none", "env": "X,,Y"}, map[string]string{"a": "1", "b": "2"}, []string{"X=x=y", "Z=z"})
	want := map[string]string{"a": "1", "X": "x=y"}
	if !reflect.DeepEqual(attrs, want) {
		t.Errorf("%v, want %v", attrs, want)
	}
	path := filepath.Join(t.TempDir(), "log")
	w, _ := Create(path, Rotation{}, attrs)
	w.Stream("stderr").Write([]byte("text\n"))
	err := Read(path, Options{Tail: -1}, func(e Entry) error {
		if string(e.Text) != "text\n" || e.Stream != "stderr" || !reflect.DeepEqual(e.Attrs, want) {
			t.Errorf("read %+v", e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDriversAndOptions(t *testing.T) {
	for _, tt := range []struct {
		driver string
		opts   map[string]string
		want   string
	}{
		{JSONFile, nil, ""},
		{JSONFile, map[string]string{"max-size": "10m", "max-file": "3", "compress": "true", "labels": "a", "mode": "non-blocking"}, ""},
		{Local, map[string]string{"max-size": "1g"}, ""},
		{None, nil, ""},
		{"syslog", nil, "logger: no log driver named 'syslog' is registered"},
		{JSONFile, map[string]string{"foo": "1"}, "unknown log opt 'foo' for json-file log driver"},
		{Local, map[string]string{"labels": "1"}, "unknown log opt 'labels' for local log driver"},
		{JSONFile, map[string]string{"max-size": "10x"}, "invalid suffix: 'x'"},
		{JSONFile, map[string]string{"max-size": "0"}, "max-size must be a positive number"},
		{JSONFile, map[string]string{"max-file": "0"}, "max-file cannot be less than 1"},
		{JSONFile, map[string]string{"max-file": "a"}, `strconv.Atoi: parsing "a": invalid syntax`},
		{JSONFile, map[string]string{"compress": "true"}, "compress cannot be true when max-file is less than 2 or max-size is not set"},
		{JSONFile, map[string]string{"mode": "x"}, "logger: logging mode not supported: x"},
	} {
		err := Check(tt.driver, tt.opts)
		if got := fmt.Sprint(err); tt.want == "" && err != nil || tt.want != "" && !strings.Contains(got, tt.want) {
			t.Errorf("%s %v: %s, want %q", tt.driver, tt.opts, got, tt.want)
		}
	}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	j, err := openJournal(path, [][2]string{{"CONTAINER_NAME", "web"}})
	if err != nil {
		t.Fatal(err)
	}
	s := j.Stream("stderr")
	s.Write([]byte("one\ntw"))
	s.Write([]byte("o\n\nrest"))
	s.Close()
	buf := make([]byte, 4096)
	for _, want := range []string{"one", "two", "rest"} {
		n, err := l.Read(buf)
		if got := string(buf[:n]); err != nil || got != "CONTAINER_NAME=web\nPRIORITY=3\nMESSAGE="+want+"\n" {
			t.Errorf("received %q, %v; want %q", got, err, want)
		}
	}
	if got := string(appendField(nil, "X", []byte("a\nb"))); got != "X\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\n" {
		t.Errorf("a value of two lines: %q", got)
	}
}

func FuzzLogOptions(f *testing.F) {
	f.Add("json-file", "10m", "3", "true")
	f.Add("local", "1.5g", "-1", "x")
	f.Fuzz(func(t *testing.T, driver, size, files, compress string) {
		opts := map[string]string{"max-size": size, "max-file": files, "compress": compress}
		if r, err := RotationOf(driver, opts); err == nil && (r.Files < 1 || r.Size < 0) {
			t.Errorf("%v: %+v", opts, r)
		}
	})
}
