// SPDX-License-Identifier: Apache-2.0

package cdi

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// files writes specification files into a new directory.
func files(t *testing.T, byName map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range byName {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// vendor is a file with one device, which sets one variable.
func vendor(device, value string) string {
	return `{"cdiVersion":"0.6.0","kind":"vendor.com/gpu","devices":[{"name":"` + device + `","containerEdits":{"env":["FROM=` + value + `"]}}]}`
}

const everything = `---
# of a made-up vendor
cdiVersion: "0.7.0"
kind: vendor.com/gpu
annotations: {made: up}
containerEdits:
  env: [ALL=1]
  mounts:
    - {hostPath: /usr/lib/libv.so, containerPath: /usr/lib/../lib/libv.so, options: [ro, nosuid, bind]}
    - {hostPath: tmpfs, containerPath: /scratch, type: tmpfs, options: [size=1m]}
  hooks:
    - {hookName: createContainer, path: /usr/bin/hook, args: [hook, ldcache], env: [A=b], timeout: 3}
devices:
  - name: "0"
    containerEdits:
      env: [ONE=0]
      additionalGids: [0, 44, 44]
      deviceNodes:
        - {path: /dev/vendor0}
        - {path: /dev/other, hostPath: /dev/null, type: u, major: 1, minor: 3, fileMode: 438, permissions: rw, uid: 0, gid: 0}
        - {path: /dev/closed, permissions: none}
  - name: "1"
    containerEdits:
      env: [ONE=1]
`

func TestEverythingOfAFile(t *testing.T) {
	r := Load([]string{files(t, map[string]string{"v.yaml": everything})})
	if len(r.Problems()) > 0 || !slices.Equal(r.Names(), []string{"vendor.com/gpu=0", "vendor.com/gpu=1"}) || !slices.Equal(r.Of("vendor.com/gpu"), []string{"0", "1"}) {
		t.Fatalf("%v %v %v", r.Names(), r.Of("vendor.com/gpu"), r.Problems())
	}
	e, err := r.Resolve([]string{"vendor.com/gpu=0", "vendor.com/gpu=1", "vendor.com/gpu=0"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(e.Env, []string{"ALL=1", "ONE=0", "ONE=1"}) || !slices.Equal(e.GIDs, []uint32{44}) {
		t.Errorf("variables %v, groups %v", e.Env, e.GIDs)
	}
	if want := []Node{
		{Source: "/dev/vendor0", Target: "/dev/vendor0", Permissions: "rwm"},
		{Source: "/dev/null", Target: "/dev/other", Type: "c", Major: 1, Minor: 3, Permissions: "rw"},
		{Source: "/dev/closed", Target: "/dev/closed"},
	}; !slices.Equal(e.Nodes, want) {
		t.Errorf("nodes %+v", e.Nodes)
	}
	if m := e.Mounts; len(m) != 2 || m[0].Destination != "/usr/lib/libv.so" || m[0].Type != "bind" || m[1].Type != "tmpfs" {
		t.Errorf("mounts %+v", m)
	}
	if h := e.Hooks; h == nil || len(h.CreateContainer) != 1 || !slices.Equal(h.CreateContainer[0].Args, []string{"hook", "ldcache"}) || *h.CreateContainer[0].Timeout != 3 {
		t.Errorf("hooks %+v", h)
	}
}

func TestWhichFileCounts(t *testing.T) {
	low := files(t, map[string]string{"a.json": vendor("0", "low"), "b.json": vendor("0", "again"), "c.yaml": vendor("1", "low"), "d.yml": vendor("2", "x"), "e.yaml.bak": "?"})
	if err := os.Mkdir(filepath.Join(low, "dir.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	high := files(t, map[string]string{"a.json": vendor("0", "high"), "x.json": vendor("3", "x"), "y.json": vendor("3", "y")})
	for _, c := range []struct {
		dirs    []string
		names   []string
		from    string // of device 0
		problem string
	}{
		{[]string{"/nonexistent", low}, []string{"vendor.com/gpu=1"}, "", "vendor.com/gpu=0: described by both"},
		{[]string{low, high}, []string{"vendor.com/gpu=0", "vendor.com/gpu=1"}, "FROM=high", "vendor.com/gpu=3: described by both"},
		{[]string{high, low}, []string{"vendor.com/gpu=1"}, "", "vendor.com/gpu=0: described by both"},
	} {
		r := Load(c.dirs)
		if !slices.Equal(r.Names(), c.names) {
			t.Errorf("%v: %v, want %v", c.dirs, r.Names(), c.names)
		}
		if p := errors.Join(r.Problems()...); p == nil || !strings.Contains(p.Error(), c.problem) {
			t.Errorf("%v: problems %v, want %s", c.dirs, p, c.problem)
		}
		e, err := r.Resolve([]string{"vendor.com/gpu=0"})
		if (err == nil) != (c.from != "") || err == nil && !slices.Equal(e.Env, []string{c.from}) {
			t.Errorf("%v: %v %v", c.dirs, e, err)
		}
	}
}

func TestUnresolved(t *testing.T) {
	dir := files(t, map[string]string{"bad.yaml": "kind: [", "good.json": vendor("0", "x")})
	_, err := Load([]string{dir}).Resolve([]string{"vendor.com/gpu=0", "vendor.com/gpu=7", "x.com/y=z"})
	var u *UnresolvedError
	if !errors.As(err, &u) || err.Error() != "unresolvable CDI devices vendor.com/gpu=7, x.com/y=z" {
		t.Fatal(err)
	}
	if h := u.Hint(); !strings.Contains(h, dir) || !strings.Contains(h, "bad.yaml") || strings.Contains(h, "\n") {
		t.Error(h)
	}
}

// edits is a valid file but for the edits of its one device.
func edits(text string) string {
	return `{"cdiVersion":"1.1.0","kind":"vendor.com/gpu","devices":[{"name":"0","containerEdits":` + text + `}]}`
}

func TestFilesThatDoNotCount(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "empty",
		"---\n":                      "empty",
		"null":                       "empty",
		"[]":                         "cannot unmarshal",
		"\x00\x01":                   "control characters",
		"a: &a [*a]":                 "field a not found",
		strings.Repeat("[", 100_000): "exceeded max depth",
		"cdiVersion: \"0.6.0\"\nkind: vendor.com/gpu\nkind: other.com/x":                           "already defined",
		"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nannotations: {k: *b}": "not found",
		strings.Replace(vendor("0", "x"), "0.6.0", "9.9.9", 1):                                     `invalid version "9.9.9"`,
		strings.Replace(vendor("0", "x"), "0.6.0", "0.4.0", 1):                                     "at least v0.5.0",
		strings.Replace(vendor("0", "x"), "vendor.com/gpu", "gpu", 1):                              "not vendor/class",
		strings.Replace(vendor("0", "x"), "vendor.com/gpu", "../gpu", 1):                           "the vendor is not a name",
		strings.Replace(vendor("0", "x"), "vendor.com/gpu", "vendor.com/g/u", 1):                   "the class is not a name",
		vendor("-", "x"): `device "-": not a name`,
		vendor("", "x"):  `device "": not a name`,
		`{"cdiVersion":"0.6.0","kind":"v.com/g","devices":[]}`:                                                                  "no devices",
		`{"cdiVersion":"0.6.0","kind":"v.com/g","devices":[{"name":"a","containerEdits":{}},{"name":"a","containerEdits":{}}]}`: "described twice",
		edits(`{"other":1}`):                                                              "field other not found",
		edits(`{"env":["novalue"]}`):                                                      "not NAME=VALUE",
		edits(`{"env":["A=\u0000"]}`):                                                     "not NAME=VALUE",
		edits(`{"deviceNodes":[null]}`):                                                   "an entry is null",
		edits(`{"hooks":[null]}`):                                                         "an entry is null",
		edits(`{"mounts":[null]}`):                                                        "an entry is null",
		edits(`{"deviceNodes":[{"path":""}]}`):                                            "not the absolute path",
		edits(`{"deviceNodes":[{"path":"dev/null"}]}`):                                    "not the absolute path",
		edits(`{"deviceNodes":[{"path":"/dev/../.."}]}`):                                  "not the absolute path",
		edits(`{"deviceNodes":[{"path":"/dev/a\u0000b"}]}`):                               "not the absolute path",
		edits(`{"deviceNodes":[{"path":"/dev/a","hostPath":"../null"}]}`):                 "not the absolute path",
		edits(`{"deviceNodes":[{"path":"/dev/a","type":"x"}]}`):                           `type "x" is not known`,
		edits(`{"deviceNodes":[{"path":"/dev/a","permissions":"rx"}]}`):                   "not of r, w and m",
		edits(`{"mounts":[{"hostPath":"/a","containerPath":"/"}]}`):                       "not the absolute path",
		edits(`{"mounts":[{"hostPath":"a","containerPath":"/a"}]}`):                       "not the absolute path",
		edits(`{"mounts":[{"hostPath":"","containerPath":"/a"}]}`):                        "not a source",
		edits(`{"mounts":[{"hostPath":"/a","containerPath":"/a","options":["\u0000"]}]}`): "not a source",
		edits(`{"hooks":[{"hookName":"onFire","path":"/a"}]}`):                            "no such kind of hooks",
		edits(`{"hooks":[{"hookName":"createContainer","path":"a"}]}`):                    "not the absolute path",
		edits(`{"hooks":[{"hookName":"createContainer","path":"/a","timeout":0}]}`):       "not above 0",
		edits(`{"hooks":[{"hookName":"createContainer","path":"/a","args":["\u0000"]}]}`): "NUL",
		edits(`{"hooks":[{"hookName":"createContainer","path":"/a","env":["novalue"]}]}`): "not NAME=VALUE",
		edits(`{"env":["A=` + strings.Repeat("x", largest) + `"]}`):                       "larger than 8 MiB",
		edits(`{"netDevices":[null]}`):                                                    "an entry is null",
	} {
		r := Load([]string{files(t, map[string]string{"f.yaml": text})})
		p := errors.Join(r.Problems()...)
		if len(r.Names()) > 0 || p == nil || !strings.Contains(p.Error(), want) || !strings.Contains(p.Error(), "f.yaml") {
			t.Errorf("%.80q: %v %v, want %s", text, r.Names(), p, want)
		}
	}
}

func TestThingsThatAreNoFiles(t *testing.T) {
	dir := files(t, map[string]string{"target": vendor("0", "x")})
	if err := errors.Join(unix.Mkfifo(filepath.Join(dir, "pipe.yaml"), 0o600), os.Symlink("/dev/zero", filepath.Join(dir, "zero.json")),
		os.Symlink("target", filepath.Join(dir, "link.json")), os.Symlink("nowhere", filepath.Join(dir, "dangling.json"))); err != nil {
		t.Fatal(err)
	}
	r := Load([]string{dir})
	if len(r.Problems()) != 3 || !slices.Equal(r.Names(), []string{"vendor.com/gpu=0"}) {
		t.Errorf("%v %v", r.Names(), r.Problems())
	}
}

func TestWhatOnlyRootCanGive(t *testing.T) {
	for text, want := range map[string]string{
		`{"intelRdt":{"closID":"x"}}`:                                         "intelRdt is not supported",
		`{"netDevices":[{"hostInterfaceName":"eth0","name":"eth0"}]}`:         "netDevices are not supported",
		`{"mounts":[{"hostPath":"proc","containerPath":"/p","type":"proc"}]}`: `type "proc" is not supported`,
	} {
		r := Load([]string{files(t, map[string]string{"f.json": edits(text)})})
		if len(r.Names()) != 1 { // it is listed all the same
			t.Errorf("%s: %v %v", text, r.Names(), r.Problems())
		}
		if _, err := r.Resolve(r.Names()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "f.json: vendor.com/gpu=0: ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestEveryKindOfHooks(t *testing.T) {
	var list []string
	kinds := []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}
	for _, kind := range kinds {
		list = append(list, `{"hookName":"`+kind+`","path":"/`+kind+`"}`)
	}
	r := Load([]string{files(t, map[string]string{"f.json": edits(`{"hooks":[` + strings.Join(list, ",") + `]}`)})})
	e, err := r.Resolve(r.Names())
	if err != nil {
		t.Fatal(err)
	}
	h := e.Hooks
	for i, got := range [][]specs.Hook{h.Prestart, h.CreateRuntime, h.CreateContainer, h.StartContainer, h.Poststart, h.Poststop} {
		if len(got) != 1 || got[0].Path != "/"+kinds[i] {
			t.Errorf("%s: %+v", kinds[i], got)
		}
	}
}

func TestNames(t *testing.T) {
	for s, want := range map[string]bool{
		"vendor.com/gpu=0": true, "vendor.com/gpu=all": true, "a/b=c": true, "/dev/null": false, "/dev/a=b": false, "/dev/dri:/dev/x=y": false,
		"vendor.com/gpu": false, "vendor.com=0": false, "vendor.com/gpu=": false, "=0": false, "vendor.com/=0": false, "a/b/c=d": false, "": false,
		"./dev=x": false, "../a=b": false, "a/b=c/d": false, "1a/b=c": false, "a/b=c\x00": false, "v.com/gpu=mig1:0": true, strings.Repeat("a", 254) + "/b=c": false,
	} {
		if IsName(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func TestDirs(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", "/c")
	t.Setenv("XDG_RUNTIME_DIR", "/r")
	if got := Dirs(); !reflect.DeepEqual(got, []string{"/etc/cdi", "/var/run/cdi", "/c/cdi", "/r/cdi"}) {
		t.Error(got)
	}
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("HOME", "/h")
	if got := Dirs(); !reflect.DeepEqual(got, []string{"/etc/cdi", "/var/run/cdi", "/h/.config/cdi"}) {
		t.Error(got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte(vendor("0", "x")))
	f.Add([]byte(edits(`{"deviceNodes":[null]}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parse(data)
		if err != nil {
			return
		}
		for _, d := range s.Devices {
			e := &Edits{}
			if e.add(&d.ContainerEdits) != nil {
				continue
			}
			for _, n := range e.Nodes {
				if !filepath.IsAbs(n.Source) || !filepath.IsAbs(n.Target) || n.Target == "/" {
					t.Errorf("%+v", n)
				}
			}
		}
	})
}
