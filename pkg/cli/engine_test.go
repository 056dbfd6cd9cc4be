// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"coracle/internal/testutil/store"
	"coracle/pkg/cli/command"
	"coracle/pkg/docker"
	"coracle/pkg/state"
)

// socketOf is where somebody answers in one way.
func socketOf(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: answer, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	return path
}

// says has one root, as a server of this program says it.
func says(root string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(docker.RootHeader, url.PathEscape(root)) }
}

// TestServesStore: only a server of the same store is this engine.
func TestServesStore(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own é%20\"root\"")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(own, link); err != nil {
		t.Fatal(err)
	}
	quiet := make(chan struct{})
	defer close(quiet)
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		within time.Duration
		want   bool
	}{
		"the same":          {says(own), time.Minute, true},
		"by another name":   {says(link), time.Minute, true},
		"another":           {says(t.TempDir()), time.Minute, false},
		"none that is here": {says("/nosuch"), time.Minute, false},
		"another engine":    {func(http.ResponseWriter, *http.Request) {}, time.Minute, false},
		"no path":           {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(docker.RootHeader, "%") }, time.Minute, false},
		"nobody's word":     {func(http.ResponseWriter, *http.Request) { <-quiet }, 50 * time.Millisecond, false},
		"one that leaves":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, time.Minute, false},
	} {
		if got := servesStore(socketOf(t, tt.answer), tt.within, func() (state.Dirs, error) { return state.Dirs{Root: own}, nil }); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if servesStore(filepath.Join(own, "nosuch"), time.Minute, nil) {
		t.Error("nobody listens")
	}
}

// TestHostOfTheSameStore: -H and DOCKER_HOST may name any socket of this store's.
func TestHostOfTheSameStore(t *testing.T) {
	e := &command.Env{Dirs: store.Dirs(t)}
	if err := checkHost(e, "unix://"+socketOf(t, says(e.Dirs.Root)), ""); err != nil {
		t.Error(err)
	}
	for _, host := range []string{"unix://" + socketOf(t, says("/")), "unix:///nosuch", "unix://nosuch", "tcp://127.0.0.1:1", "ssh://x", "/x"} {
		if err := checkHost(e, host, "x"); err == nil || !strings.Contains(err.Error(), "failed to connect to the docker API at "+host+": coracle is no client of another engine") {
			t.Errorf("%s: %v", host, err)
		}
	}
}
