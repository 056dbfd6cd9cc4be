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
		"vendor.com/gpu=0":   "vendor.com/gpu=0 is not an absolute path",
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
