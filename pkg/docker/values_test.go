// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"coracle/pkg/container"
)

// readMount is the mount that a text asks for.
func readMount(spec string) (container.Mount, error) {
	q, err := ParseMount(spec)
	if err != nil {
		return container.Mount{}, err
	}
	m, err := mountOf(q)
	if !m.Long && err == nil {
		err = errors.New("it is not known for what it was asked for as")
	}
	m.Long = false
	return m, err
}

func TestParseRestart(t *testing.T) {
	for s, want := range map[string]moby.RestartPolicy{
		"": {Name: "no", MaximumRetryCount: 0}, "no": {Name: "no", MaximumRetryCount: 0}, "always": {Name: "always", MaximumRetryCount: 0}, "unless-stopped": {Name: "unless-stopped", MaximumRetryCount: 0}, "always:": {Name: "always", MaximumRetryCount: 0},
		"on-failure": {Name: "on-failure", MaximumRetryCount: 0}, "on-failure:3": {Name: "on-failure", MaximumRetryCount: 3}, "on-failure:0": {Name: "on-failure", MaximumRetryCount: 0},
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

func TestMountFields(t *testing.T) {
	for spec, want := range map[string]container.Mount{
		"type=bind,src=/a,dst=/b,bind-recursive=disabled,bind-propagation=rslave": {Type: container.MountBind, Source: "/a", Target: "/b", Recursive: "disabled", Propagation: "rslave"},
		"type=bind,src=/a,dst=/b,ro,bind-recursive=writable":                      {Type: container.MountBind, Source: "/a", Target: "/b", ReadOnly: true, Recursive: "writable"},
		"type=bind,src=/a,dst=/b,bind-create-src":                                 {Type: container.MountBind, Source: "/a", Target: "/b", CreateSource: true},
		"type=bind,src=/a,dst=/b,ro=0,consistency=cached":                         {Type: container.MountBind, Source: "/a", Target: "/b"},
		"src=v,dst=/b,volume-label=a=1,volume-label=b,volume-driver=local":        {Type: container.MountVolume, Name: "v", Target: "/b", Labels: map[string]string{"a": "1", "b": ""}},
		"src=v,dst=/b,volume-subpath=x/y":                                         {Type: container.MountVolume, Name: "v", Target: "/b", Subpath: "x/y"},
		"TYPE=image,src=busybox,target=/b,image-subpath=bin":                      {Type: container.MountImage, Source: "busybox", Target: "/b", Subpath: "bin", ReadOnly: true},
		`type=bind,"src=/a,b",dst=/b`:                                             {Type: container.MountBind, Source: "/a,b", Target: "/b"},
	} {
		if got, err := readMount(spec); err != nil || !reflect.DeepEqual(got, want) {
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
		_, err := readMount(spec)
		wants(t, spec, err, want)
	}
}

// again is a text that asks for m.
func again(m container.Mount) string {
	f := []string{"type=" + m.Type, "target=" + m.Target}
	add := func(set bool, field string) {
		if set {
			f = append(f, field)
		}
	}
	add(m.Name != "", "source="+m.Name)
	add(m.Source != "", "source="+m.Source)
	add(m.ReadOnly && m.Type != container.MountImage, "readonly")
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
		m, err := readMount(spec)
		if err != nil {
			return
		}
		if !filepath.IsAbs(m.Target) || filepath.Clean(m.Target) != m.Target || m.Target == "/" {
			t.Fatalf("%q mounts at %q", spec, m.Target)
		}
		if strings.ContainsAny(spec, "\r\n") {
			return // encoding/csv changes line ends
		}
		if b, err := readMount(again(m)); err != nil || !reflect.DeepEqual(m, b) {
			t.Fatalf("%q is %+v, and %q is %+v, %v", spec, m, again(m), b, err)
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
		if b, err := ParseRestart(fmt.Sprintf("%s:%d", r.Name, r.MaximumRetryCount)); err != nil || b != r {
			t.Fatalf("%q: %+v and %+v, %v", s, r, b, err)
		}
	})
}

func TestParseBind(t *testing.T) {
	for spec, want := range map[string]container.Mount{
		"/data":              {Type: container.MountVolume, Target: "/data"},
		"cache:/var/cache/":  {Type: container.MountVolume, Name: "cache", Target: "/var/cache"},
		"cache:/c:nocopy,ro": {Type: container.MountVolume, Name: "cache", Target: "/c", NoCopy: true, ReadOnly: true, Given: "nocopy,ro"},
		"/srv/../etc:/e:ro":  {Type: container.MountBind, Source: "/etc", Target: "/e", ReadOnly: true, CreateSource: true, Given: "ro"},
		"/a:/b:z,rslave":     {Type: container.MountBind, Source: "/a", Target: "/b", Propagation: "rslave", CreateSource: true, Given: "z,rslave"},
	} {
		got, err := ParseBind(spec)
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
		if _, err := ParseBind(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", spec, err, want)
		}
	}
}

func TestParseMount(t *testing.T) {
	for spec, want := range map[string]container.Mount{
		"target=/x":                                          {Type: container.MountVolume, Target: "/x"},
		"type=volume,src=v,dst=/x,volume-nocopy":             {Type: container.MountVolume, Name: "v", Target: "/x", NoCopy: true},
		"type=bind,source=/etc,destination=/e,readonly":      {Type: container.MountBind, Source: "/etc", Target: "/e", ReadOnly: true},
		"type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770": {Type: container.MountTmpfs, Target: "/t", TmpfsOptions: []string{"size=1048576", "mode=1770"}},
	} {
		got, err := readMount(spec)
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
		if _, err := readMount(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", spec, err, want)
		}
	}
}

func FuzzParseBind(f *testing.F) {
	for _, s := range []string{"/a:/b:ro", "v:/x", "", ":::", "~:/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		m, err := ParseBind(spec)
		if err == nil && (!filepath.IsAbs(m.Target) || m.Target == "/" || strings.Contains(m.Target, "..") && filepath.Clean(m.Target) != m.Target) {
			t.Errorf("%q mounts at %q", spec, m.Target)
		}
	})
}

func TestParseNetwork(t *testing.T) {
	for v, want := range map[string]string{
		"front": `{}`, "container:x": `{}`, "name=front": `{}`,
		"name=front,alias=a,Alias=b": `{"Aliases":["a","b"]}`,
		"name=front,ip=10.0.0.5,ip6=fd00::5,mac-address=02:42:ac:11:00:02,link-local-ip=169.254.0.1,driver-opt=a=b,gw-priority=3": `{"IPAMConfig":{"IPv4Address":"10.0.0.5","IPv6Address":"fd00::5","LinkLocalIPs":["169.254.0.1"]},"DriverOpts":{"a":"b"},"GwPriority":3,"MacAddress":"02:42:ac:11:00:02"}`,
	} {
		var e network.EndpointSettings
		if err := json.Unmarshal([]byte(want), &e); err != nil {
			t.Fatal(err)
		}
		name, got, err := ParseNetwork(v)
		if err != nil || !reflect.DeepEqual(*got, e) || name != "front" && name != "container:x" {
			t.Errorf("%q: %s %+v, %v; want %+v", v, name, got, err, e)
		}
	}
	for v, want := range map[string]string{
		"alias=a": "network name/id is not specified", "name=n,foo=b": "invalid field key foo", "name=n,foo": "invalid field foo",
		"name=n,ip=x": "invalid IP address: x", "name=n,ip=fd00::5": "invalid IPv4 address: fd00::5", "name=n,ip6=10.0.0.5": "invalid IPv6 address: 10.0.0.5",
		"name=n,mac-address=x": "x is not a valid mac address", "name=n,mac-address=01:00:5e:00:00:01": "is not a valid mac address",
		"name=n,driver-opt=x": "invalid key value pair format in driver options", "name=n,gw-priority=x": "invalid gw-priority", "name=n,link-local-ip=x": "unable to parse IP",
	} {
		_, _, err := ParseNetwork(v)
		wants(t, v, err, want)
	}
}

func TestLimitTexts(t *testing.T) {
	for v, want := range map[string]int64{"1.5": 1_500_000_000, "2": 2_000_000_000, "0.01": 10_000_000} {
		if got, err := ParseCPUs(v); err != nil || got != want {
			t.Errorf("%s: %d, %v", v, got, err)
		}
	}
	for v, want := range map[string]string{"x": "failed to parse x as a rational number", "0.0000000001": "value is too precise", "1e9": "failed to parse", "99999999999999999999": "failed to parse"} {
		_, err := ParseCPUs(v)
		wants(t, v, err, want)
	}
	if d, err := ParseThrottle("/dev/a:b:1m", true); err != nil || d.Path != "/dev/a:b" || d.Rate != 1<<20 {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := ParseThrottle("/dev/a:7", false); err != nil || d.Rate != 7 {
		t.Errorf("%+v, %v", d, err)
	}
	for v, want := range map[string]string{"x": "bad format: x", "x:1": "bad format for device path: x:1", "/dev/a:-1": "invalid rate for device", "/dev/a:1q": "invalid rate for device"} {
		_, err := ParseThrottle(v, true)
		wants(t, v, err, want)
	}
	_, err := ParseThrottle("/dev/a:1m", false)
	wants(t, "operations", err, "Number must be a positive integer")
	if d, err := ParseWeight("/dev/a:500"); err != nil || d.Weight != 500 {
		t.Errorf("%+v, %v", d, err)
	}
	for v, want := range map[string]string{"x": "bad format: x", "a:5": "bad format for device path: a:5", "/dev/a:5": "invalid weight for device: /dev/a:5"} {
		_, err := ParseWeight(v)
		wants(t, v, err, want)
	}
}

func FuzzParseNetwork(f *testing.F) {
	for _, s := range []string{"front", "name=n,alias=a,ip=10.0.0.1", "a=b", "=", `"name=n`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		name, _, err := ParseNetwork(v)
		if err == nil && (!isLong(v) && name != v || isLong(v) && name == "") {
			t.Errorf("%q: %q", v, name)
		}
	})
}
