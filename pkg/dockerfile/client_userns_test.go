// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/registry"

	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/wire/socket"
)

// fakeClient has a file in each directory, and notes what it is asked for.
type fakeClient struct {
	mu    sync.Mutex
	asked []string
	fail  error
}

func (c *fakeClient) note(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, text)
}

func (c *fakeClient) Directory(_ context.Context, name string, paths []string, w io.Writer) error {
	c.note(strings.Join(append([]string{"directory " + name}, paths...), " "))
	out := tar.NewWriter(w)
	text := "of " + name
	err := errors.Join(out.WriteHeader(&tar.Header{Name: "../f", Mode: 0o644, Size: int64(len(text))}), func() error { _, err := io.WriteString(out, text); return err }())
	if c.fail != nil {
		return c.fail
	}
	return errors.Join(err, out.Close())
}

func (c *fakeClient) Secret(_ context.Context, id string) ([]byte, error) {
	c.note("secret " + id)
	if id == "none" {
		return nil, fs.ErrNotExist
	}
	return []byte("value of " + id), nil
}

func (c *fakeClient) Credentials(_ context.Context, server string) (*registry.AuthConfig, error) {
	c.note("credentials " + server)
	if server == "locked.example.com" {
		return nil, errors.New("locked")
	}
	return &registry.AuthConfig{Username: "me"}, nil
}

// buildFor builds a text for a client.
func (w *world) buildFor(c Client, text string, o Request) error {
	w.t.Helper()
	ours, theirs, err := socket.Pair()
	if err != nil {
		w.t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		serve(w.t.Context(), c, ours)
	}()
	a, err := (parcel{Client: 1}).client([]*os.File{theirs})
	if err != nil {
		w.t.Fatal(err)
	}
	o.Source = stream(w.t, strings.NewReader(text))
	res, err := build(w.t.Context(), w.st, w, w, o, a, w.hear)
	w.image = res.Image.ID
	a.close()
	ours.Close()
	<-served
	return err
}

// TestBuildForClient asks for what is needed, and for nothing else.
func TestBuildForClient(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	w.run = func(_ context.Context, s exec.Step) error {
		for _, m := range s.Mounts {
			if data, err := os.ReadFile(m.Source); err != nil || string(data) != "value of known" {
				t.Errorf("%s shows %q, %v", m.Target, data, err)
			}
		}
		return os.WriteFile(filepath.Join(s.Upper, "ran"), nil, 0o644)
	}
	for text, want := range map[string][]string{
		"FROM scratch\nRUN a": nil,
		"FROM scratch\nRUN --mount=type=secret,id=known --mount=type=secret,id=none b": {"secret known", "secret none"},
		"FROM scratch\nCOPY f /":                                      {"directory context f"},
		"FROM scratch\nCOPY --from=named f /":                         {"directory the name"},
		"FROM scratch AS no\nCOPY x /\nFROM scratch\nCOPY . /":        {"directory context"},
		"FROM scratch\nCOPY <<E /f\nhere\nE":                          nil,
		"FROM scratch\nRUN --mount=type=bind,source=f,target=/f true": {"directory context f"},
	} {
		if strings.Contains(text, "type=bind") {
			w.run = nil
		}
		c := &fakeClient{}
		if err := w.buildFor(c, text, Request{Contexts: map[string]Context{"named": {Sent: "the name"}}}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if !slices.Equal(c.asked, want) {
			t.Errorf("%q asks for %q, not for %q", text, c.asked, want)
		}
	}
}

// TestClientFails: a part of a context is none.
func TestClientFails(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	c := &fakeClient{fail: errors.New("no more of it")}
	if err := w.buildFor(c, "FROM scratch\nCOPY f /", Request{}); err == nil || err.Error() != "no more of it" {
		t.Errorf("%v", err)
	}
	if err := w.buildFor(&fakeClient{}, "FROM scratch\nRUN --mount=type=secret,id=none,required x", Request{}); err == nil || !strings.Contains(err.Error(), "secret none: not found") {
		t.Errorf("a secret that must be there: %v", err)
	}
}

// TestAskCredentials: who resolves an image asks for its registry.
func TestAskCredentials(t *testing.T) {
	ours, theirs, err := socket.Pair()
	if err != nil {
		t.Fatal(err)
	}
	c := &fakeClient{}
	go serve(t.Context(), c, ours)
	defer ours.Close()
	a, err := (parcel{Client: 1}).client([]*os.File{theirs})
	if err != nil {
		t.Fatal(err)
	}
	if auth, err := a.credentials(t.Context(), "example.com"); err != nil || auth == nil || auth.Username != "me" {
		t.Errorf("%+v, %v", auth, err)
	}
	if _, err := a.credentials(t.Context(), "locked.example.com"); err == nil || err.Error() != "locked" {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.secret(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if a, err := (parcel{}).client(nil); a != nil || err != nil {
		t.Errorf("without one: %v, %v", a, err)
	}
}
