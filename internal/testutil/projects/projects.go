// SPDX-License-Identifier: Apache-2.0

// Package projects is a collection of Compose files, each of a kind that people have:
// for tests of what is planned of them, and of what they are when they run.
package projects

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed *.yaml *.txt *.pem *.conf *.env
var files embed.FS

// Names are those of the projects, in their order.
func Names() (names []string) {
	list, _ := fs.Glob(files, "*.yaml")
	for _, file := range list {
		names = append(names, strings.TrimSuffix(file, ".yaml"))
	}
	return names
}

// Unpack writes all of them into a directory: NAME.yaml, and what they read.
func Unpack(t testing.TB, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	list, err := files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		text, err := files.ReadFile(e.Name())
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, e.Name()), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
