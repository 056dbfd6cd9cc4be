// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/pkg/hint"
	"coracle/pkg/state"
)

func TestKernel(t *testing.T) {
	for release, want := range map[string]State{
		"5.12.19": No, "5.13.0-52-generic": Yes, "6.1.0-44-cloud-amd64": Yes, "4.18.0-553.el8_10.x86_64": No, "10.0": Yes, "unheard of": Yes,
	} {
		if r := kernel(release); r.State != want || !r.Needed || (want == No) != (r.Remedy != "") {
			t.Errorf("%s: %+v", release, r)
		}
	}
}

// The path of the program is a pattern to AppArmor, and may hold its characters.
func TestProfile(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/local/bin/coracle":  `profile coracle "/usr/local/bin/coracle" flags=(unconfined) {`,
		`/home/a b/{c}/[d]*"e"\f`: `profile coracle "/home/a b/\{c\}/\[d\]\*\"e\"\\f" flags=(unconfined) {`,
	} {
		if got := Profile(path); !strings.Contains(got, want+"\n  userns,\n}\n") {
			t.Errorf("%s:\n%s", path, got)
		}
	}
}

func TestNameServers(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]Row{
		"nameserver 127.0.0.53\noptions edns0\n":                {State: Yes, Found: "127.0.0.53"},
		"# nameserver 10.0.0.1\n nameserver 10.0.0.2 x\nsearch": {State: Yes, Found: "10.0.0.2"},
		"": {State: Partly, Found: "none in " + filepath.Join(dir, "f")},
	} {
		path := filepath.Join(dir, "f")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := names(path); r.State != want.State || r.Found != want.Found {
			t.Errorf("%q: %+v", text, r)
		}
	}
	for _, path := range []string{filepath.Join(dir, "none"), dir} { // a directory
		if r := names(path); r.State != Partly || r.Instead == "" {
			t.Errorf("%s: %+v", path, r)
		}
	}
}

func TestLingering(t *testing.T) {
	dir := t.TempDir()
	if r := lingering(filepath.Join(dir, "none"), dir); r.State != Yes {
		t.Errorf("without systemd: %+v", r)
	}
	if os.Getuid() == 0 {
		t.Skip("root's units need no lingering")
	}
	if r := lingering(dir, dir); r.State != Partly || r.Remedy != "loginctl enable-linger "+account() {
		t.Errorf("off: %+v", r)
	}
	if err := os.WriteFile(filepath.Join(dir, account()), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := lingering(dir, dir); r.State != Yes {
		t.Errorf("on: %+v", r)
	}
}

// A hint of an error is its remedy, before what is known in general.
func TestAbsent(t *testing.T) {
	r := Row{Name: "x", Remedy: "this"}
	if got := r.absent(errors.New("why")); got.Remedy != "this" || got.State != No || got.Found != "why" {
		t.Errorf("%+v", got)
	}
	if got := r.absent(hint.With(errors.New("why"), "that")); got.Remedy != "that" {
		t.Errorf("%+v", got)
	}
	if got := r.present("here"); got.Remedy != "" || got.State != Yes {
		t.Errorf("%+v", got)
	}
}

func TestSound(t *testing.T) {
	r := Report{{State: Yes, Needed: true}, {State: No}, {State: Unknown, Needed: true}, {State: Partly, Needed: true}}
	if !r.Sound() {
		t.Error("what is not needed counts")
	}
	if append(r, Row{State: No, Needed: true}).Sound() {
		t.Error("what is needed does not count")
	}
}

// What is tried in the store leaves nothing there.
func TestScratchIsGone(t *testing.T) {
	d, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ran := ""
	err = onScratch(context.Background(), d, func(dir string) error {
		ran = dir
		return os.WriteFile(filepath.Join(dir, "x"), nil, 0o600)
	})
	if err != nil || ran == "" {
		t.Fatalf("%q, %v", ran, err)
	}
	left, err := os.ReadDir(string(d.Tmp()))
	if err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// Every row says what it is about, and one that may be missing what is lost by it.
func TestRows(t *testing.T) {
	seen := map[hint.Row]bool{}
	for _, a := range abilities() {
		if a.Name == "" || seen[a.Name] || (a.try == nil) == (a.onStore == nil) || a.less && a.Needed {
			t.Errorf("%+v", a.Row)
		}
		if seen[a.Name] = true; !a.Needed && a.Lost == "" {
			t.Errorf("%s: what is lost without it?", a.Name)
		}
	}
}

func TestSharedStoresOnOneLine(t *testing.T) {
	t.Setenv("CORACLE_SHARED_STORES", "/nowhere/a:/nowhere/b")
	want := "shared store /nowhere/a: stat /nowhere/a: no such file or directory; shared store /nowhere/b: stat /nowhere/b: no such file or directory"
	if r := sharedStores(); r.State != Partly || r.Found != want {
		t.Errorf("%+v", r)
	}
}
