// SPDX-License-Identifier: Apache-2.0

package container

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// wants compares an error with the words it should have; none for none.
func wants(t *testing.T, what string, err error, words string) {
	t.Helper()
	if words == "" && err != nil || words != "" && (err == nil || !strings.Contains(err.Error(), words)) {
		t.Errorf("%s: %v; want %q", what, err, words)
	}
}

func TestParseDevice(t *testing.T) {
	for spec, want := range map[string]Device{
		"/dev/null":              {"/dev/null", "/dev/null", "rwm"},
		"/dev/null:r":            {"/dev/null", "/dev/null", "r"},
		"/dev/null:/dev/x":       {"/dev/null", "/dev/x", "rwm"},
		"/dev/null:/dev//x/:mw":  {"/dev/null", "/dev/x", "mw"},
		"/dev/a=b":               {"/dev/a=b", "/dev/a=b", "rwm"},
		"/dev/by-id/a/../b=c:rw": {"/dev/by-id/b=c", "/dev/by-id/b=c", "rw"},
	} {
		if got, err := ParseDevice(spec); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", spec, got, err, want)
		}
	}
	for spec, want := range map[string]string{
		"":                   "bad format for path: ",
		":/dev/x":            "bad format for path: :/dev/x",
		"/a:/b:r:w":          "bad format for path: /a:/b:r:w",
		"/dev/null:/dev/x:x": "bad mode specified: x",
		"/a:/b:rr":           "bad mode specified: rr",
		"/a:/b:":             "bad mode specified: ",
		"dev/null":           "dev/null is not an absolute path",
		"/a:b":               "b is not an absolute path",
		"vendor.com/gpu=0":   "CDI device injection failed: unresolvable CDI devices vendor.com/gpu=0",
	} {
		_, err := ParseDevice(spec)
		wants(t, spec, err, want)
	}
}

func TestDeviceNodes(t *testing.T) {
	if list, err := (Device{"/dev/null", "/dev/x", "rwm"}).Nodes(); err != nil || len(list) != 1 {
		t.Errorf("/dev/null: %v, %v", list, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	_, err := (Device{file, file, "rwm"}).Nodes()
	wants(t, "missing", err, fmt.Sprintf("error gathering device information while adding custom device %q: no such file or directory", file))
	_, err = (Device{"/etc/passwd", "/x", "rwm"}).Nodes()
	wants(t, "a file", err, "not a device node")
}

func TestParseRestart(t *testing.T) {
	for s, want := range map[string]Restart{
		"": {"no", 0}, "no": {"no", 0}, "always": {"always", 0}, "unless-stopped": {"unless-stopped", 0}, "always:": {"always", 0},
		"on-failure": {"on-failure", 0}, "on-failure:3": {"on-failure", 3}, "on-failure:0": {"on-failure", 0},
	} {
		if got, err := ParseRestart(s); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"sometimes":       "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
		":3":              "invalid restart policy format: no policy provided before colon",
		"on-failure:x":    "invalid restart policy format: maximum retry count must be an integer",
		"on-failure:1:2":  "invalid restart policy format: maximum retry count must be an integer",
		"on-failure:-1":   "invalid restart policy: maximum retry count cannot be negative",
		"always:3":        "invalid restart policy: maximum retry count can only be used with 'on-failure'",
		"no:1":            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
		"no:3":            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
		"no:-1":           "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative",
		"always:-1":       "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative",
		"unless-stopped:": "",
	} {
		_, err := ParseRestart(s)
		wants(t, s, err, want)
	}
}

func TestParseSignal(t *testing.T) {
	for s, want := range map[string]syscall.Signal{
		"9": 9, "KILL": 9, "SIGKILL": 9, "sigterm": 15, "usr1": 10, "RTMIN": 34, "RTMIN+3": 37, "SIGRTMAX-1": 63, "64": 64, "1": 1,
	} {
		if got, err := ParseSignal(s); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "0", "65", "-1", "SIG", "NOSUCH", "SIGSIGKILL", "RTMIN+40", "RTMAX+1", "RTMIN3", "9 ", "0x9"} {
		_, err := ParseSignal(s)
		wants(t, s, err, "invalid signal: "+s)
	}
}

func TestParseTmpfs(t *testing.T) {
	for spec, want := range map[string]Mount{
		"/t":                           {Type: MountTmpfs, Target: "/t"},
		"/t:":                          {Type: MountTmpfs, Target: "/t"},
		"/t/:ro,size=1m,exec,mode=700": {Type: MountTmpfs, Target: "/t", ReadOnly: true, TmpfsOptions: []string{"size=1m", "exec", "mode=700"}},
		"/t:rw,uid=5,nr_inodes=7":      {Type: MountTmpfs, Target: "/t", TmpfsOptions: []string{"uid=5", "nr_inodes=7"}},
	} {
		if got, err := ParseTmpfs(spec); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", spec, got, err, want)
		}
	}
	for spec, want := range map[string]string{
		"t": "mount path must be absolute", "/": "destination can't be '/'", "": "mount path must be absolute",
		"/t:bogus": `invalid tmpfs option ["bogus"]`, "/t:size": `invalid tmpfs option ["size"]`, "/t:size=": `invalid tmpfs option ["size="]`,
		"/t:exec=1": `invalid tmpfs option ["exec=1"]`, "/t:source=/x": `invalid tmpfs option`,
	} {
		_, err := ParseTmpfs(spec)
		wants(t, spec, err, want)
	}
}

func TestMountFields(t *testing.T) {
	for spec, want := range map[string]Mount{
		"type=bind,src=/a,dst=/b,bind-recursive=disabled,bind-propagation=rslave": {Type: MountBind, Source: "/a", Target: "/b", Recursive: "disabled", Propagation: "rslave"},
		"type=bind,src=/a,dst=/b,ro,bind-recursive=writable":                      {Type: MountBind, Source: "/a", Target: "/b", ReadOnly: true, Recursive: "writable"},
		"type=bind,src=/a,dst=/b,bind-create-src":                                 {Type: MountBind, Source: "/a", Target: "/b", CreateSource: true},
		"type=bind,src=/a,dst=/b,ro=0,consistency=cached":                         {Type: MountBind, Source: "/a", Target: "/b"},
		"src=v,dst=/b,volume-label=a=1,volume-label=b,volume-driver=local":        {Type: MountVolume, Name: "v", Target: "/b", Labels: map[string]string{"a": "1", "b": ""}},
		"src=v,dst=/b,volume-subpath=x/y":                                         {Type: MountVolume, Name: "v", Target: "/b", Subpath: "x/y"},
		"TYPE=image,src=busybox,target=/b,image-subpath=bin":                      {Type: MountImage, Source: "busybox", Target: "/b", Subpath: "bin", ReadOnly: true},
		`type=bind,"src=/a,b",dst=/b`:                                             {Type: MountBind, Source: "/a,b", Target: "/b"},
	} {
		if got, err := ParseMount(spec); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", spec, got, err, want)
		}
	}
	for spec, want := range map[string]string{
		"":            "value is empty",
		"type=volume": "target is required",
		"type=bind,src=/a,dst=/b,bind-recursive=maybe":            `invalid value for bind-recursive: maybe (must be "enabled", "disabled", "writable", or "readonly")`,
		"type=bind,src=/a,dst=/b,bind-recursive=writable":         "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
		"type=bind,src=/a,dst=/b,ro,bind-recursive=readonly":      "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
		"type=bind,src=/a,dst=/b,bind-nonrecursive":               "bind-nonrecursive is deprecated, use bind-recursive=disabled instead",
		"type=bind,src=/a,dst=/b,bind-propagation=x":              `invalid mount config for type "bind": invalid propagation mode: x`,
		"type=bind,src=/a,dst=/b,volume-nocopy":                   "cannot mix 'volume-*' options with mount type 'bind'",
		"type=tmpfs,dst=/b,tmpfs-size=x":                          "invalid value for tmpfs-size: x",
		"type=tmpfs,dst=/b,tmpfs-mode=9":                          "invalid value for tmpfs-mode: 9",
		"type=tmpfs,dst=/b,tmpfs-foo=9":                           "unknown option 'tmpfs-foo' in 'tmpfs-foo=9'",
		"type=image,dst=/b":                                       "field Source must not be empty",
		"src=v,dst=/b,volume-subpath=../x":                        "subpath must be a relative path within the volume",
		"dst=/b,volume-subpath=x":                                 "must not set Subpath when using anonymous volumes",
		"src=v,dst=/b,volume-driver=nfs":                          `error looking up volume plugin nfs: plugin "nfs" not found`,
		"src= v,dst=/b":                                           "invalid value for 'src' in 'src= v': value should not have whitespace",
		" src=v,dst=/b,ro =1":                                     "invalid option 'ro' in 'ro =1': option should not have whitespace",
		"src=,dst=/b":                                             "invalid value for 'src': value is empty",
		"src=v,dst=/b,ro=TRUE":                                    `invalid value for 'ro': invalid boolean value ("TRUE"): must be one of "true", "1", "false", or "0" (default "true")`,
		`"type=bind`:                                              "parse error",
		"type=bind,src=/a,dst=relative":                           "mount path must be absolute",
		"type=bind,src=/a,dst=/b,bind-create-src=1,image-subpath": "invalid field 'image-subpath' must be a key=value pair",
	} {
		_, err := ParseMount(spec)
		wants(t, spec, err, want)
	}
}

// again is a --mount that asks for m.
func again(m Mount) string {
	f := []string{"type=" + m.Type, "target=" + m.Target}
	add := func(set bool, field string) {
		if set {
			f = append(f, field)
		}
	}
	add(m.Name != "", "source="+m.Name)
	add(m.Source != "", "source="+m.Source)
	add(m.ReadOnly && m.Type != MountImage, "readonly")
	add(m.NoCopy, "volume-nocopy")
	add(m.CreateSource, "bind-create-src")
	add(m.Propagation != "", "bind-propagation="+m.Propagation)
	add(m.Recursive != "", "bind-recursive="+m.Recursive)
	add(m.Subpath != "", m.Type+"-subpath="+m.Subpath)
	for k, v := range m.Labels {
		f = append(f, "volume-label="+k+"="+v)
	}
	for _, o := range m.TmpfsOptions {
		f = append(f, "tmpfs-"+o)
	}
	for i := range f {
		f[i] = `"` + strings.ReplaceAll(f[i], `"`, `""`) + `"`
	}
	return strings.Join(f, ",")
}

func FuzzParseMount(f *testing.F) {
	for _, s := range []string{"type=bind,src=/a,dst=/b,ro", "dst=/x", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=755", "src=v,dst=/b,volume-label=a=b", "type=image,src=i,dst=/i,image-subpath=x", "a=b,,c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		m, err := ParseMount(spec)
		if err != nil {
			return
		}
		if !filepath.IsAbs(m.Target) || filepath.Clean(m.Target) != m.Target || m.Target == "/" {
			t.Fatalf("%q mounts at %q", spec, m.Target)
		}
		if strings.ContainsAny(spec, "\r\n") {
			return // encoding/csv changes line ends
		}
		if b, err := ParseMount(again(m)); err != nil || !reflect.DeepEqual(m, b) {
			t.Fatalf("%q is %+v, and %q is %+v, %v", spec, m, again(m), b, err)
		}
	})
}

func FuzzParseTmpfs(f *testing.F) {
	f.Add("/t:ro,size=1m,exec")
	f.Fuzz(func(t *testing.T, spec string) {
		m, err := ParseTmpfs(spec)
		if err != nil {
			return
		}
		options := m.TmpfsOptions
		if m.ReadOnly {
			options = append(slices.Clip(options), "ro")
		}
		if strings.Contains(m.Target, ":") {
			t.Fatalf("%q mounts at %q", spec, m.Target)
		}
		if b, err := ParseTmpfs(m.Target + ":" + strings.Join(options, ",")); err != nil || !reflect.DeepEqual(m, b) {
			t.Fatalf("%q: %+v and %+v, %v", spec, m, b, err)
		}
	})
}

func FuzzParseDevice(f *testing.F) {
	for _, s := range []string{"/dev/null", "/a:/b:rwm", "/a:r", "v.com/c=n", "::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		d, err := ParseDevice(spec)
		if err != nil {
			return
		}
		if b, err := ParseDevice(d.Source + ":" + d.Target + ":" + d.Permissions); err != nil || b != d {
			t.Fatalf("%q: %+v and %+v, %v", spec, d, b, err)
		}
	})
}

func FuzzParseRestart(f *testing.F) {
	for _, s := range []string{"no", "on-failure:3", "always:", ":", "on-failure:-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRestart(s)
		if err != nil {
			return
		}
		if b, err := ParseRestart(fmt.Sprintf("%s:%d", r.Name, r.Max)); err != nil || b != r {
			t.Fatalf("%q: %+v and %+v, %v", s, r, b, err)
		}
	})
}

func FuzzParseSignal(f *testing.F) {
	for _, s := range []string{"9", "KILL", "SIGRTMIN+1", "rtmax-64", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sig, err := ParseSignal(s)
		if err == nil && (sig < 1 || sig > 64) {
			t.Fatalf("%q is signal %d", s, sig)
		}
		if b, again := ParseSignal(fmt.Sprint(int(sig))); err == nil && (again != nil || b != sig) {
			t.Fatalf("%q: %d and %d, %v", s, sig, b, again)
		}
	})
}
