// SPDX-License-Identifier: Apache-2.0

package container

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParseVolume(t *testing.T) {
	wd, _ := os.Getwd()
	for spec, want := range map[string]Mount{
		"/data":              {Type: MountVolume, Target: "/data"},
		"cache:/var/cache/":  {Type: MountVolume, Name: "cache", Target: "/var/cache"},
		"cache:/c:nocopy,ro": {Type: MountVolume, Name: "cache", Target: "/c", NoCopy: true, ReadOnly: true, Given: "nocopy,ro"},
		"/srv/../etc:/e:ro":  {Type: MountBind, Source: "/etc", Target: "/e", ReadOnly: true, CreateSource: true, Given: "ro"},
		"./x:/x":             {Type: MountBind, Source: filepath.Join(wd, "x"), Target: "/x", CreateSource: true},
		"/a:/b:z,rslave":     {Type: MountBind, Source: "/a", Target: "/b", Propagation: "rslave", CreateSource: true, Given: "z,rslave"},
	} {
		got, err := ParseVolume(spec)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", spec, got, err, want)
		}
	}
	for spec, want := range map[string]string{
		"":              "invalid empty volume spec",
		"a:b:c:d":       "invalid volume specification: 'a:b:c:d'",
		":/x":           "invalid volume specification: ':/x'",
		"name:relative": "mount path must be absolute",
		"/a:/":          "destination can't be '/'",
		"/data:ro":      "invalid volume specification: '/data:ro'",
		"v:/x:rshared":  "invalid volume specification: 'v:/x:rshared': invalid mount config for type \"volume\": field BindOptions must not be specified",
		"/a:/x:nocopy":  "invalid mount config for type \"bind\": field VolumeOptions must not be specified",
		"/a:/x:U":       "invalid mode: U",
		"/a:/x:ro,rw":   "invalid mode: ro,rw",
		"/a:/x:z,Z":     "invalid mode: z,Z",
		"/a:/x:ro,":     "invalid mode: ro,",
		"v:":            "invalid volume specification: 'v:'",
	} {
		if _, err := ParseVolume(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", spec, err, want)
		}
	}
}

func TestParseMount(t *testing.T) {
	for spec, want := range map[string]Mount{
		"target=/x":                                          {Type: MountVolume, Target: "/x"},
		"type=volume,src=v,dst=/x,volume-nocopy":             {Type: MountVolume, Name: "v", Target: "/x", NoCopy: true},
		"type=bind,source=/etc,destination=/e,readonly":      {Type: MountBind, Source: "/etc", Target: "/e", ReadOnly: true},
		"type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770": {Type: MountTmpfs, Target: "/t", TmpfsOptions: []string{"size=1048576", "mode=1770"}},
	} {
		got, err := ParseMount(spec)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", spec, got, err, want)
		}
	}
	for spec, want := range map[string]string{
		"type=bind,target=/x":                          "field Source must not be empty",
		"type=bind,source=/a":                          "target is required",
		"src":                                          "invalid field 'src' must be a key=value pair",
		"colour=blue,target=/x":                        "unknown option 'colour' in 'colour=blue'",
		"type=tmpfs,src=/a,target=/x":                  "field Source must not be specified",
		"type=bind,src=/a,dst=/b,ro=maybe":             "invalid boolean value",
		"type=bind,src=/a,dst=/b,tmpfs-size=1":         "cannot mix 'tmpfs-*' options with mount type 'bind'",
		"type=npipe,src=/a,dst=/b":                     "mount type unknown",
		"type=bind,src=a,dst=/b":                       "invalid mount path: 'a' mount path must be absolute",
		"type=image,src=a,dst=/b,image-subpath=../..":  "subpath must be a relative path within the volume",
		"type=volume,src=a,dst=/b,volume-subpath=/etc": "subpath must be a relative path within the volume",
	} {
		if _, err := ParseMount(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", spec, err, want)
		}
	}
}

func FuzzParseVolume(f *testing.F) {
	for _, s := range []string{"/a:/b:ro", "v:/x", "", ":::", "~:/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		m, err := ParseVolume(spec)
		if err == nil && (!filepath.IsAbs(m.Target) || m.Target == "/" || strings.Contains(m.Target, "..") && filepath.Clean(m.Target) != m.Target) {
			t.Errorf("%q mounts at %q", spec, m.Target)
		}
	})
}

func TestMergeMountsKeepsWhatWasAskedFor(t *testing.T) {
	got, err := MergeMounts([]Mount{{Type: MountBind, Source: "/s", Target: "/data/sub"}, {Type: MountTmpfs, Target: "/cache"}},
		[]Mount{{Type: MountVolume, Name: "first", Target: "/from"}, {Type: MountVolume, Name: "others", Target: "/from"}, {Type: MountVolume, Name: "others", Target: "/cache"}},
		[]string{"/from", "/data", "/cache/", "/../../canary", "relative", "/"})
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, m := range got {
		targets = append(targets, strings.TrimSpace(m.Type+" "+m.Target+" "+m.Name))
	}
	want := []string{"tmpfs /cache", "volume /from others", "volume /canary", "volume /data", "bind /data/sub"}
	if !reflect.DeepEqual(targets, want) {
		t.Errorf("mounts %q, want %q", targets, want)
	}
	if _, err := MergeMounts([]Mount{{Target: "/x"}, {Target: "/x"}}, nil, nil); err == nil {
		t.Error("two mounts at one place are allowed")
	}
}
