// SPDX-License-Identifier: Apache-2.0

package apicmd

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestSweepDirs: what killed ones left goes, and nothing else.
func TestSweepDirs(t *testing.T) {
	run, err := os.MkdirTemp("", "run") // not t.TempDir: a socket's path may not be long
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(run)
	for _, name := range []string{"api-live", "api-dead", "api-bare", "api-new", "other"} {
		dir := filepath.Join(run, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if name == "api-live" || name == "api-dead" {
			l, err := net.Listen("unix", filepath.Join(dir, "docker.sock"))
			if err != nil {
				t.Fatal(err)
			}
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			defer l.Close()
			if name == "api-dead" {
				l.Close()
			}
		}
		if old := time.Now().Add(-time.Hour); name != "api-new" {
			if err := os.Chtimes(dir, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	again, err := privateDir(run)
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(run)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range left {
		names = append(names, e.Name())
	}
	want := []string{"api-live", "api-new", "other", filepath.Base(again)}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("left: %v, want %v", names, want)
	}
}
