// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	file, big, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "big"), filepath.Join(dir, "pipe")
	err := errors.Join(os.WriteFile(file, []byte("of a file"), 0o600), os.WriteFile(big, bytes.Repeat([]byte("x"), MaxSecret+1), 0o600), unix.Mkfifo(pipe, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Secrets: []Secret{
		{ID: "value", Value: []byte("given")}, {ID: "empty"}, {ID: "path", Path: file}, {ID: "open", File: stream(t, strings.NewReader("of a pipe"))},
		{ID: "big", Path: big}, {ID: "gone", Path: file + "x"}, {ID: "silent", Path: pipe},
	}}
	all := r.secrets()
	for id, want := range map[string]string{"value": "given", "empty": "", "path": "of a file", "open": "of a pipe"} {
		for range 2 { // what is read once is kept
			if got, err := all[id](t.Context()); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v, want %q", id, got, err, want)
			}
		}
	}
	for id, want := range map[string]string{"big": "larger than 512000 bytes", "gone": "open " + file + "x: no such file or directory"} {
		if _, err := all[id](t.Context()); message(err) != want {
			t.Errorf("%s: error is %v, want %s", id, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all["silent"](ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody writes, and the build is canceled: %v", err)
	}
	if err := os.WriteFile(pipe, []byte("late"), 0); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 4 { // steps that run at the same time
		readers.Go(func() {
			if got, err := all["silent"](t.Context()); err != nil || string(got) != "late" {
				t.Errorf("late: %q, %v", got, err)
			}
		})
	}
	readers.Wait()
}
