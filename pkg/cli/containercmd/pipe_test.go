// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"coracle/pkg/cli/command"
	"coracle/pkg/container/archive"
)

func TestOutwardAndInward(t *testing.T) {
	var got string
	read := func(_ context.Context, r *os.File) ([]string, error) {
		data, err := io.ReadAll(r)
		got = string(data)
		return []string{"read"}, err
	}
	write := func(_ context.Context, w *os.File) ([]string, error) {
		_, err := w.WriteString("text")
		return []string{"written"}, err
	}
	left, err := outward(t.Context(), func(ctx context.Context, w *os.File, begin func()) ([]string, error) {
		begin()
		return write(ctx, w)
	}, read)
	if got != "text" || strings.Join(left, " ") != "written read" || err != nil {
		t.Errorf("outward: %q, %q, %v", got, left, err)
	}
	got = ""
	left, err = inward(t.Context(), func(ctx context.Context, r *os.File, begin func()) ([]string, error) {
		begin()
		return read(ctx, r)
	}, write)
	if got != "text" || strings.Join(left, " ") != "written read" || err != nil {
		t.Errorf("inward: %q, %q, %v", got, left, err)
	}
}

// TestOneEndFails: the other one ends, and what is said is what went wrong first.
func TestOneEndFails(t *testing.T) {
	bad := errors.New("bad")
	begins := func(end func(context.Context, *os.File) error) remote {
		return func(ctx context.Context, f *os.File, begin func()) ([]string, error) {
			begin()
			return nil, end(ctx, f)
		}
	}
	fails := func(context.Context, *os.File) error { return bad }
	waits := func(ctx context.Context, _ *os.File) error { <-ctx.Done(); return ctx.Err() }
	reads := func(_ context.Context, r *os.File) error { _, err := io.Copy(io.Discard, r); return err }
	writes := func(_ context.Context, w *os.File) error {
		for {
			if _, err := w.Write(make([]byte, 1000)); err != nil {
				return err
			}
		}
	}
	here := func(f func(context.Context, *os.File) error) local {
		return func(ctx context.Context, end *os.File) ([]string, error) { return nil, f(ctx, end) }
	}
	for what, do := range map[string]func() error{
		"their writer":                func() error { _, err := outward(t.Context(), begins(fails), here(reads)); return err },
		"their reader":                func() error { _, err := inward(t.Context(), begins(fails), here(writes)); return err },
		"our reader":                  func() error { _, err := outward(t.Context(), begins(writes), here(fails)); return err },
		"our reader, of a silent one": func() error { _, err := outward(t.Context(), begins(waits), here(fails)); return err },
		"our writer":                  func() error { _, err := inward(t.Context(), begins(reads), here(fails)); return err },
		"our writer, to a silent one": func() error { _, err := inward(t.Context(), begins(waits), here(fails)); return err },
		"theirs before ours may begin": func() error {
			_, err := outward(t.Context(), func(context.Context, *os.File, func()) ([]string, error) { return nil, bad }, nil)
			return err
		},
	} {
		done := make(chan error, 1)
		go func() { done <- do() }()
		select {
		case err := <-done:
			if !errors.Is(err, bad) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: the other end does not end", what)
		}
	}
}

func TestCause(t *testing.T) {
	w, r := errors.New("writer"), io.ErrUnexpectedEOF
	for _, tt := range []struct{ writer, reader, want error }{
		{nil, nil, nil}, {w, nil, w}, {nil, r, r}, {w, r, w}, {syscall.EPIPE, r, r}, {os.ErrDeadlineExceeded, r, r}, {context.Canceled, r, r}, {syscall.EPIPE, nil, syscall.EPIPE},
	} {
		if got := cause(tt.writer, tt.reader); got != tt.want {
			t.Errorf("%v and %v: %v, want %v", tt.writer, tt.reader, got, tt.want)
		}
	}
}

func TestSplitCopy(t *testing.T) {
	for arg, want := range map[string][2]string{
		"box:/x": {"box", "/x"}, "box:": {"box", ""}, "file": {"", "file"}, "/a:b": {"", "/a:b"}, "./a:b": {"", "./a:b"}, "-": {"", "-"}, "box:a:b": {"box", "a:b"},
	} {
		if ctr, name := SplitCopy(arg); ctr != want[0] || name != want[1] {
			t.Errorf("%s: %q of %q", arg, name, ctr)
		}
	}
}

func TestWordsOfAPlace(t *testing.T) {
	for reason, want := range map[string]string{
		archive.OntoDevice: "the place must be a directory or a regular file: got a device", archive.OntoIrregular: "the place must be a directory or a regular file: got an irregular file",
		archive.NotDirectory: "the place must be a directory", archive.DirOntoFile: "cannot copy directory", archive.NoDirectory: "no such directory",
	} {
		err := explainPlace(&archive.PlaceError{Path: "/x", Reason: reason}, "the place")
		var own *command.ClientError
		if err.Error() != want || !errors.As(err, &own) {
			t.Errorf("%s: %v, want %q", reason, err, want)
		}
	}
	for p, want := range map[string]string{"/a/": "/", "/a/.": "/.", "/a": "", "/": "", "": ""} {
		if got := trailing(p); got != want {
			t.Errorf("the end of %q is %q, want %q", p, got, want)
		}
	}
}
