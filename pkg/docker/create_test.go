// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"

	"coracle/pkg/cdi"
	"coracle/pkg/container"
	"coracle/pkg/ids"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
)

// testWorld is a host where everything is that is asked for, but what is called
// missing, and where every limit can be had.
func testWorld() World {
	return World{
		Container: func(ref string) (*container.Container, error) {
			if ref == "missing" {
				return nil, &container.NotFoundError{Arg: ref}
			}
			c := running()
			c.Process.Hostname, c.Process.Domainname = "other", "example.com"
			return c, nil
		},
		Network: func(ref string) (string, error) { return strings.TrimPrefix(ref, "id of "), nil },
		Image: func(ref string) (string, []string, error) {
			return imageID, []string{"/l/image/diff"}, nil
		},
		Hostname: func() (string, error) { return "node5", nil },
		CPUs:     4,
		Online:   func(string) string { return "0-3" },
		CheckSource: func(m container.Mount) error {
			if m.Type == container.MountBind && !m.CreateSource && m.Source == "/missing" {
				return errors.New(`invalid mount config for type "bind": bind source path does not exist: /missing`)
			}
			return nil
		},
		Devices:      func(d container.Device) ([]container.Device, error) { return []container.Device{d}, nil },
		OutOfReach:   func(d container.Device) bool { return d.Source == "/dev/video0" },
		CDI:          func() *cdi.Registry { return &cdi.Registry{} },
		CheckDisk:    func(string) error { return nil },
		CheckLog:     func(string, map[string]string) error { return nil },
		KeepsSockets: func() bool { return true },
		Controllers:  func() ([]string, bool) { return []string{"cpu", "cpuset", "io", "memory", "pids"}, true },
		Throttle:     func() []string { return testPlaces().Throttle },
		Caller:       func() (ids.Keep, string) { return ids.Keep{UID: 1073, GID: 1074}, "me" },
		Copies:       func(k ids.Keep) (bool, error) { return k != ids.Keep{}, nil },
	}
}

// make is what a request makes of an image without anything.
func (q *CreateRequest) make(t *testing.T) (*container.Record, []Warning, error) {
	t.Helper()
	return q.Record(testID, bare(), testWorld())
}

// bare is an image without anything.
func bare() overlay.Details {
	return overlay.Details{Image: overlay.Image{ID: imageID}, LayerDirs: []string{"/l"}, Config: json.RawMessage(`{"os":"linux"}`)}
}

// basic is the least that can be asked for.
func basic() *CreateRequest {
	return &CreateRequest{Config: Config{Config: moby.Config{Image: "ubuntu", Cmd: []string{"date"}}}}
}

func readRequest(t *testing.T, file string) *CreateRequest {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	q := &CreateRequest{}
	if err := json.Unmarshal(data, q); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return q
}

// What is asked for is answered by inspect, to the last field: the requests of
// testdata ask for everything that can be asked for.
func TestRequestsComeBack(t *testing.T) {
	for _, file := range []string{"create-documented.json", "create-everything.json", "create-rest.json"} {
		q := readRequest(t, file)
		r, warnings, err := q.make(t)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if len(warnings) > 0 {
			t.Errorf("%s: %q", file, warnings)
		}
		answer := InspectContainer(&container.Container{Record: *r}, testPlaces())
		comesBack(t, file+": Config", q.Config, *answer.Config)
		comesBack(t, file+": HostConfig", q.HostConfig, *answer.HostConfig)
		for name, asked := range q.NetworkingConfig.EndpointsConfig {
			end := r.Net.Networks[r.Net.On(name)]
			got := answer.NetworkSettings.Networks[name]
			comesBack(t, file+": "+name, Endpoint{
				IPAMConfig: endpointIPAM(end), Aliases: asked.Aliases, GwPriority: asked.GwPriority,
			}, *got)
			if asked.MacAddress.String() != "" && asked.MacAddress.String() != end.MAC.String() {
				t.Errorf("%s: %s: %v", file, name, end.MAC)
			}
		}
		// And once more: what inspect answers is a request for the same.
		again := &CreateRequest{Name: q.Name, Config: *answer.Config, HostConfig: *answer.HostConfig, NetworkingConfig: q.NetworkingConfig}
		if again.HostConfig.UTSMode.IsHost() {
			again.Hostname = "" // it is the host's, and nobody may ask for it
		}
		r2, _, err := again.make(t)
		if err != nil {
			t.Errorf("%s: the answer is refused: %v", file, err)
			continue
		}
		r.Net.Exposed, r2.Net.Exposed = sorted(r.Net.Exposed), sorted(r2.Net.Exposed)
		r2.Net.Exposed = slices.DeleteFunc(r2.Net.Exposed, func(p string) bool { return !slices.Contains(r.Net.Exposed, p) }) // what is published is exposed
		if a, b := text(r), text(r2); a != b {
			t.Errorf("%s: the answer asks for\n%s, not for\n%s", file, b, a)
		}
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// comesBack compares what was asked for with what is answered, where something
// was asked for.
func comesBack(t *testing.T, what string, asked, answered any) {
	t.Helper()
	var a, b map[string]any
	for _, c := range []struct {
		v  any
		to *map[string]any
	}{{asked, &a}, {answered, &b}} {
		data, err := json.Marshal(c.v)
		if err == nil {
			err = json.Unmarshal(data, c.to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range a {
		if spared := map[string]bool{"VolumeDriver": true, "UsernsMode": true, "Isolation": true, "ArgsEscaped": true}; spared[k] {
			continue // the one value that can be asked for is that of nothing, or it is of no use elsewhere
		}
		if v == nil || reflect.ValueOf(v).IsZero() || text(v) == "[]" || text(v) == "{}" || text(v) == "[null]" {
			continue
		}
		if _, passed := quiet["HostConfig."+k]; passed {
			continue
		}
		for _, d := range differences("."+k, v, b[k]) {
			t.Errorf("%s%s", what, d)
		}
	}
}

// Every field of Docker's types is done, refused, or ignored with a word, and the
// list says which: a field that a new version of the API brings fails here first.
func TestEveryFieldHasAMeaning(t *testing.T) {
	everything := readRequest(t, "create-everything.json")
	end := everything.NetworkingConfig.EndpointsConfig["front"]
	rest := readRequest(t, "create-rest.json")
	fillStruct(reflect.ValueOf(&everything.HostConfig.Resources).Elem(), reflect.ValueOf(rest.HostConfig.Resources))
	fillStruct(reflect.ValueOf(&everything.HostConfig.HostConfig).Elem(), reflect.ValueOf(rest.HostConfig.HostConfig))
	var mounts mount.Mount // every field of all of them
	for _, m := range everything.HostConfig.Mounts {
		fillStruct(reflect.ValueOf(&mounts).Elem(), reflect.ValueOf(m))
	}
	for _, c := range []struct {
		name  string
		whole reflect.Value
		ask   func(q *CreateRequest) reflect.Value
	}{
		{"Config", reflect.ValueOf(everything.Config.Config), func(q *CreateRequest) reflect.Value { return reflect.ValueOf(&q.Config.Config).Elem() }},
		{"HostConfig", reflect.ValueOf(everything.HostConfig.HostConfig), func(q *CreateRequest) reflect.Value { return reflect.ValueOf(&q.HostConfig.HostConfig).Elem() }},
		{"HostConfig", reflect.ValueOf(everything.HostConfig.Resources), func(q *CreateRequest) reflect.Value { return reflect.ValueOf(&q.HostConfig.Resources).Elem() }},
		{"EndpointSettings", reflect.ValueOf(*end), func(q *CreateRequest) reflect.Value {
			e := &network.EndpointSettings{}
			q.HostConfig.NetworkMode = "front"
			q.NetworkingConfig.EndpointsConfig = map[string]*network.EndpointSettings{"front": e}
			return reflect.ValueOf(e).Elem()
		}},
		{"Mount", reflect.ValueOf(mounts), nil},
	} {
		for i := range c.whole.NumField() {
			field := c.whole.Type().Field(i)
			name := c.name + "." + field.Name
			_, passed := quiet[name]
			ours := field.Name == "ExposedPorts" || field.Name == "PortBindings" || field.Name == "Resources"
			switch set := !c.whole.Field(i).IsZero(); {
			case ours, set && !passed:
				continue // comes back, says TestRequestsComeBack
			case passed || c.ask == nil:
				if !passed && field.Name != "ClusterOptions" { // refused, says TestMountsThatAreRefused
					t.Errorf("%s: no request of testdata has it", name)
				}
				continue
			}
			q := basic()
			to := c.ask(q).Field(i)
			something(to)
			_, warnings, err := q.make(t)
			if err == nil && len(warnings) == 0 {
				t.Errorf("%s = %v is dropped in silence", name, to)
			}
		}
	}
}

// fillStruct sets the fields of to that are not set and are in from.
func fillStruct(to, from reflect.Value) {
	for i := range to.NumField() {
		if to.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i))
		}
	}
}

// something sets a value that is not zero.
func something(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("something")
	case reflect.Int, reflect.Int64:
		v.SetInt(50)
	case reflect.Uint, reflect.Uint64, reflect.Uint16:
		v.SetUint(50)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		something(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		something(v.Index(0))
	case reflect.Map:
		key := reflect.New(v.Type().Key()).Elem()
		something(key)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, reflect.New(v.Type().Elem()).Elem())
	case reflect.Struct:
		if v.NumField() > 0 && v.Field(0).CanSet() {
			something(v.Field(0))
		}
	}
}

// Docker's sentence, and the status that goes with it, for what is refused.
func TestRequestsThatAreRefused(t *testing.T) {
	yes := int64(101)
	for _, c := range []struct {
		change func(q *CreateRequest)
		kind   Kind
		want   string
	}{
		{func(q *CreateRequest) { q.Cmd = nil }, Invalid, "no command specified"},
		{func(q *CreateRequest) { q.Entrypoint, q.Cmd = []string{""}, nil }, Invalid, "no command specified"},
		{func(q *CreateRequest) { q.Env = []string{"=x"} }, Invalid, "invalid environment variable: =x"},
		{func(q *CreateRequest) { q.WorkingDir = "srv" }, Invalid, "the working directory 'srv' is invalid, it needs to be an absolute path"},
		{func(q *CreateRequest) { q.Hostname = strings.Repeat("x", 65) }, Invalid, "invalid hostname: xxx"},
		{func(q *CreateRequest) { q.Domainname = "a\nb" }, Invalid, "invalid domainname: a"},
		{func(q *CreateRequest) { q.Hostname, q.HostConfig.UTSMode = "x", "host" }, Invalid, "conflicting options: hostname and the UTS mode"},
		{func(q *CreateRequest) { mask := uint32(0o1000); q.HostConfig.Umask = &mask }, Invalid, "invalid umask: 1000"},
		{func(q *CreateRequest) { q.Labels = map[string]string{"": "v"} }, Invalid, `invalid label format: "=v"`},
		{func(q *CreateRequest) { q.HostConfig.Annotations = map[string]string{"": "v"} }, Invalid, "invalid Annotation: the empty string is not permitted"},
		{func(q *CreateRequest) { q.StopSignal = "NOSUCH" }, Invalid, "invalid signal: NOSUCH"},
		{func(q *CreateRequest) { q.NetworkDisabled = true }, NotSupported, "NetworkDisabled is not supported"},
		{func(q *CreateRequest) { q.HostConfig.Links = []string{"a:b c"} }, Invalid, "bad format for links: a:b c"},
		{func(q *CreateRequest) { q.HostConfig.Links = []string{"missing:b"} }, NotFound, "No such container: missing"},
		{func(q *CreateRequest) { q.HostConfig.VolumeDriver = "nfs" }, NotFound, `error looking up volume plugin nfs: plugin "nfs" not found`},
		{func(q *CreateRequest) { q.HostConfig.Isolation = "hyperv" }, Invalid, "invalid isolation 'hyperv' on linux"},
		{func(q *CreateRequest) { q.HostConfig.Runtime = "kata" }, Invalid, "unknown or invalid runtime name: kata"},
		{func(q *CreateRequest) { q.HostConfig.StorageOpt = map[string]string{"size": "1G"} }, NotSupported, "--storage-opt is supported only for overlay over xfs"},
		{func(q *CreateRequest) {
			q.HostConfig.DeviceRequests = []moby.DeviceRequest{{Count: -1, Capabilities: [][]string{{"gpu"}}}}
		}, Failure, `could not select device driver "" with capabilities: [[gpu]]`},
		{func(q *CreateRequest) {
			q.HostConfig.DeviceRequests = []moby.DeviceRequest{{Driver: "cdi", DeviceIDs: []string{"vendor.com/gpu=0"}}}
		}, Failure, "CDI device injection failed: unresolvable CDI devices vendor.com/gpu=0"},
		{func(q *CreateRequest) { q.HostConfig.MemorySwappiness = &yes }, Invalid, "invalid value: 101. Valid memory swappiness range is 0-100"},
		{func(q *CreateRequest) { q.HostConfig.MaskedPaths = []string{"/proc/kcore"} }, NotSupported, "MaskedPaths is not supported"},
		{func(q *CreateRequest) { q.HostConfig.MaskedPaths, _ = spec.Masked(false, nil) }, NotSupported, "MaskedPaths is not supported"},
		{func(q *CreateRequest) { q.HostConfig.MaskedPaths = []string{} }, NotSupported, "MaskedPaths and ReadonlyPaths are not supported apart"},
		{func(q *CreateRequest) { q.HostConfig.ShmSize = -1 }, Invalid, "SHM size can not be less than 0"},
		{func(q *CreateRequest) { q.HostConfig.OomScoreAdj = -1001 }, Invalid, "Invalid value -1001, range for oom score adj is [-1000, 1000]"},
		{func(q *CreateRequest) { q.HostConfig.Sysctls = map[string]string{"kernel.panic": "1"} }, Invalid, "sysctl 'kernel.panic=1' is not allowed"},
		{func(q *CreateRequest) { q.HostConfig.CgroupParent = "/x" }, Invalid, "cgroup-parent for systemd cgroup should be a valid slice"},
		{func(q *CreateRequest) { q.HostConfig.Memory = 1 }, Invalid, "Minimum memory limit allowed is 6MB"},
		{func(q *CreateRequest) { q.HostConfig.CPUCount = 1 }, NotSupported, "they are for Windows"},
		{func(q *CreateRequest) { q.HostConfig.PidMode = "x" }, Invalid, "--pid: invalid PID mode"},
		{func(q *CreateRequest) { q.HostConfig.PidMode = "container:" }, Invalid, "--pid: invalid PID mode"},
		{func(q *CreateRequest) { q.HostConfig.PidMode = "container:missing" }, Invalid, "No such container: missing"},
		{func(q *CreateRequest) { q.HostConfig.UTSMode = "private" }, Invalid, "--uts: invalid UTS mode"},
		{func(q *CreateRequest) { q.HostConfig.UsernsMode = "auto" }, Invalid, "--userns: invalid USER mode"},
		{func(q *CreateRequest) { q.HostConfig.UsernsMode = "keep-id2" }, Invalid, "--userns: invalid USER mode"},
		{func(q *CreateRequest) { q.HostConfig.UsernsMode = "keep-id:size=5" }, Invalid, `unknown option specified: "size"`},
		{func(q *CreateRequest) { q.HostConfig.UsernsMode = "keep-id:uid=1,gid=-1" }, Invalid, `"-1" is no id: uids and gids must be in range 0-2147483647`},
		{func(q *CreateRequest) { q.HostConfig.UsernsMode = "keep-id:uid" }, Invalid, `"" is no id`},
		{func(q *CreateRequest) { q.HostConfig.CgroupnsMode = "x" }, Invalid, "--cgroupns: invalid CGROUP mode"},
		{func(q *CreateRequest) { q.HostConfig.IpcMode = "x" }, Invalid, "invalid IPC mode: x"},
		{func(q *CreateRequest) { q.HostConfig.IpcMode = "container:missing" }, Invalid, "No such container: missing"},
		{func(q *CreateRequest) { q.HostConfig.CapAdd = []string{"NOSUCH"} }, Invalid, "invalid CapAdd"},
		{func(q *CreateRequest) { q.HostConfig.SecurityOpt = []string{"foo"} }, Invalid, `Invalid --security-opt: "foo"`},
		{func(q *CreateRequest) { q.HostConfig.SecurityOpt = []string{"foo=bar"} }, Invalid, `invalid --security-opt 2: "foo=bar"`},
		{func(q *CreateRequest) { q.HostConfig.SecurityOpt = []string{"no-new-privileges=maybe"} }, Invalid, `invalid --security-opt 2`},
		{func(q *CreateRequest) { q.HostConfig.SecurityOpt = []string{"seccomp=/etc/x.json"} }, Invalid, "Decoding seccomp profile failed"},
		{func(q *CreateRequest) { q.HostConfig.SecurityOpt = []string{"apparmor=x"} }, NotSupported, "--security-opt apparmor=x is not supported without root"},
		{func(q *CreateRequest) { q.HostConfig.Devices = []moby.DeviceMapping{{PathOnHost: "dev/null"}} }, Invalid, "dev/null is not an absolute path"},
		{func(q *CreateRequest) {
			q.HostConfig.Devices = []moby.DeviceMapping{{PathOnHost: "/dev/null", CgroupPermissions: "x"}}
		}, Invalid, "bad mode specified: x"},
		{func(q *CreateRequest) { q.HostConfig.RestartPolicy.Name = "sometimes" }, Invalid, "invalid restart policy: unknown policy 'sometimes'"},
		{func(q *CreateRequest) { q.HostConfig.AutoRemove, q.HostConfig.RestartPolicy.Name = true, "always" }, Invalid, "can't create 'AutoRemove' container with restart policy"},
		{func(q *CreateRequest) { q.Healthcheck = &moby.HealthConfig{Test: []string{"FOO"}} }, Invalid, `unknown type "FOO" in Healthcheck`},
	} {
		q := basic()
		c.change(q)
		_, _, err := q.make(t)
		wants(t, c.want, err, c.want)
		if err != nil && KindOf(err) != c.kind {
			t.Errorf("%v: kind %d, want %d", err, KindOf(err), c.kind)
		}
	}
}

// Networks without a mode are all that a container is on.
func TestNetworksWithoutMode(t *testing.T) {
	for mode, want := range map[string]string{"": "front", "default": "front", "bridge": "front"} {
		q := basic()
		q.HostConfig.NetworkMode = moby.NetworkMode(mode)
		q.NetworkingConfig.EndpointsConfig = map[string]*network.EndpointSettings{"front": {Aliases: []string{"a"}}}
		r, _, err := q.make(t)
		if err != nil || r.Net.Mode != want || len(r.Net.Networks) != 1 || r.Net.Networks[0].Network != want || r.Net.Networks[0].Aliases[0] != "a" {
			t.Errorf("%q: %v, %v", mode, r, err)
		}
	}
}

func TestNetworksThatAreRefused(t *testing.T) {
	for _, c := range []struct{ mode, ends, rest, want string }{
		{"none", `{"front":{}}`, `{}`, "conflicting options: cannot attach both user-defined and non-user-defined network-modes"},
		{"front", `{"host":{}}`, `{}`, "conflicting options: cannot attach both user-defined and non-user-defined network-modes"},
		{"front", `{"id of front":{}}`, `{}`, `network "front" is specified multiple times`},
		{"bridge", `{"bridge":{"IPAMConfig":{"IPv4Address":"10.0.0.1"}}}`, `{}`, "user specified IP address is supported on user defined networks only"},
		{"default", `{"bridge":{"Aliases":["a"]}}`, `{}`, "network-scoped aliases are only supported for user-defined networks"},
		{"front", `{"front":{"IPAMConfig":{"IPv4Address":"fd00::1"}}}`, `{}`, "invalid IPv4 address: fd00::1"},
		{"front", `{"front":{"IPAMConfig":{"IPv6Address":"10.0.0.1"}}}`, `{}`, "invalid IPv6 address: 10.0.0.1"},
		{"bridge", `{"bridge":{"Links":["a:"]}}`, `{}`, "bad format for links: a:"},
		{"none", `{}`, `{"HostConfig":{"NetworkMode":"none","Links":["a:b"]}}`, "--link is not supported"},
		{"front", `{"front":{"MacAddress":"01:00:5e:00:00:01"}}`, `{}`, "01:00:5e:00:00:01 is not a valid mac address"},
		{"bridge", `{}`, `{"MacAddress":"x"}`, "x is not a valid mac address"},
		{"host", `{}`, `{"MacAddress":"02:42:ac:11:00:02"}`, "conflicting options: mac-address and the network mode"},
		{"container:", `{}`, `{}`, "invalid network mode: invalid container format container:<name|id>"},
		{"container:missing", `{}`, `{}`, "No such container: missing"},
		{"container:a", `{}`, `{"Hostname":"x"}`, "conflicting options: hostname and the network mode"},
		{"container:a", `{}`, `{"HostConfig":{"Dns":["1.1.1.1"]}}`, "conflicting options: dns and the network mode"},
		{"container:a", `{}`, `{"HostConfig":{"ExtraHosts":["a:1.1.1.1"]}}`, "conflicting options: custom host-to-IP mapping and the network mode"},
		{"container:a", `{}`, `{"HostConfig":{"PublishAllPorts":true}}`, "conflicting options: port publishing and the container type network mode"},
		{"container:a", `{}`, `{"ExposedPorts":{"80/tcp":{}}}`, "conflicting options: port exposing and the container type network mode"},
		{"container:a", `{}`, `{"HostConfig":{"Sysctls":{"net.x":"1"}}}`, "sysctl 'net.x=1' is not allowed: the network is another container's"},
		{"bridge", `{}`, `{"HostConfig":{"ExtraHosts":["x"]}}`, `bad format for add-host: "x"`},
		{"bridge", `{}`, `{"HostConfig":{"DnsSearch":["a\nnameserver 1.2.3.4"]}}`, "is not a valid domain"},
		{"bridge", `{}`, `{"HostConfig":{"DnsOptions":["a\nb"]}}`, "invalid DNS option"},
		{"bridge", `{}`, `{"ExposedPorts":{"x":{}}}`, "invalid range format for --expose: x"},
		{"bridge", `{}`, `{"HostConfig":{"PortBindings":{"80/sctp":[{}]}}}`, "protocol sctp is not supported without root"},
		{"bridge", `{}`, `{"HostConfig":{"PortBindings":{"80/x":[{}]}}}`, "invalid proto: x"},
		{"bridge", `{}`, `{"HostConfig":{"PortBindings":{"0/tcp":[{}]}}}`, `invalid port specification: "0/tcp"`},
		{"bridge", `{}`, `{"HostConfig":{"PortBindings":{"80-81":[{}]}}}`, `invalid port specification: "80-81"`},
		{"bridge", `{}`, `{"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"x"}]}}}`, "invalid IP address: x"},
		{"bridge", `{}`, `{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"9-8"}]}}}`, "invalid hostPort: 9-8"},
	} {
		q := basic()
		if err := errors.Join(json.Unmarshal([]byte(c.rest), q), json.Unmarshal([]byte(c.ends), &q.NetworkingConfig.EndpointsConfig)); err != nil {
			t.Fatal(err)
		}
		q.HostConfig.NetworkMode = moby.NetworkMode(c.mode)
		_, _, err := q.make(t)
		wants(t, c.mode+" "+c.ends+" "+c.rest, err, c.want)
	}
}

func TestMountsThatAreRefused(t *testing.T) {
	for request, want := range map[string]string{
		`{"Mounts":[{"Type":"bind","Source":"/missing","Target":"/x"}]}`:                                                           "bind source path does not exist: /missing",
		`{"Mounts":[{"Type":"cluster","Source":"x","Target":"/x"}]}`:                                                               `invalid mount config for type "cluster": mount type unknown`,
		`{"Mounts":[{"Type":"bind","Source":"/a","Target":"/x","ClusterOptions":{}}]}`:                                             "field ClusterOptions must not be specified",
		`{"Mounts":[{"Type":"bind","Source":"/a","Target":"/x","VolumeOptions":{}}]}`:                                              "field VolumeOptions must not be specified",
		`{"Mounts":[{"Type":"volume","Target":"/x","BindOptions":{}}]}`:                                                            "field BindOptions must not be specified",
		`{"Mounts":[{"Type":"volume","Target":"x"}]}`:                                                                              "mount path must be absolute",
		`{"Mounts":[{"Type":"volume"}]}`:                                                                                           "field Target must not be empty",
		`{"Mounts":[{"Type":"volume","Source":"v","Target":"/x","VolumeOptions":{"DriverConfig":{"Name":"nfs"}}}]}`:                `plugin "nfs" not found`,
		`{"Mounts":[{"Type":"bind","Source":"/a","Target":"/x","BindOptions":{"NonRecursive":true,"ReadOnlyNonRecursive":true}}]}`: "one may be set",
		`{"Mounts":[{"Type":"tmpfs","Target":"/x","TmpfsOptions":{"SizeBytes":-1}}]}`:                                              "invalid size: -1",
		`{"Mounts":[{"Type":"tmpfs","Target":"/x","TmpfsOptions":{"Options":[["uid","1,size=9"]]}}]}`:                              "invalid tmpfs option",
		`{"Mounts":[{"Type":"tmpfs","Target":"/x","TmpfsOptions":{"Options":[["foo"]]}}]}`:                                         `invalid tmpfs option ["foo"]`,
		`{"Tmpfs":{"/x":"size"}}`:      `invalid tmpfs option ["size"]`,
		`{"Tmpfs":{"/x:ro":"size=1"}}`: "invalid mount path: '/x:ro'",
		`{"Binds":["/a:/x","v:/x"]}`:   "Duplicate mount point: /x",
		`{"Binds":["/a:/x:foo"]}`:      "invalid mode: foo",
		`{"VolumesFrom":["missing"]}`:  "No such container: missing",
		`{"VolumesFrom":[":ro"]}`:      "invalid volumes-from specification: ':ro'",
		`{"VolumesFrom":["a:nocopy"]}`: "invalid mode: nocopy",
	} {
		q := basic()
		if err := json.Unmarshal([]byte(request), &q.HostConfig); err != nil {
			t.Fatal(err)
		}
		_, _, err := q.make(t)
		wants(t, request, err, want)
	}
	q := basic()
	q.Volumes = map[string]struct{}{"/": {}}
	_, _, err := q.make(t)
	wants(t, "a volume at /", err, "destination can't be '/'")
}

// What has no effect here, or another one, is said.
func TestWarnings(t *testing.T) {
	for request, want := range map[string]string{
		`{"HostConfig":{"NetworkMode":"host","PortBindings":{"80/tcp":[{}]}}}`:                                "Published ports are discarded when using host network mode",
		`{"HostConfig":{"Runtime":"runc"}}`:                                                                   "--runtime runc has no effect",
		`{"HostConfig":{"MemorySwappiness":60}}`:                                                              "cgroup v2 has no memory swappiness",
		`{"HostConfig":{"OomKillDisable":true}}`:                                                              "cgroup v2 cannot disable the OOM killer",
		`{"HostConfig":{"KernelMemory":1}}`:                                                                   "The kernel has no limit of its own memory any more",
		`{"HostConfig":{"Devices":[{"PathOnHost":"/dev/null","CgroupPermissions":"r"}]}}`:                     "--device /dev/null:r: the permissions have no effect",
		`{"HostConfig":{"Devices":[{"PathOnHost":"/dev/video0"}]}}`:                                           "you may open it as a member of its group",
		`{"HostConfig":{"LogConfig":{"Type":"json-file","Config":{"compress":"true"}}}}`:                      "log opt compress has no effect",
		`{"HostConfig":{"LogConfig":{"Config":{"mode":"non-blocking"}}}}`:                                     "log opts mode and max-buffer-size have no effect",
		`{"NetworkingConfig":{"EndpointsConfig":{"bridge":{"DriverOpts":{"a":"b"}}}}}`:                        "driver-opt has no effect",
		`{"NetworkingConfig":{"EndpointsConfig":{"bridge":{"IPAMConfig":{"LinkLocalIPs":["169.254.1.1"]}}}}}`: "--link-local-ip has no effect",
		`{"OnBuild":["RUN x"]}`: "OnBuild has no effect",
		`{"Shell":["bash"]}`:    "Shell has no effect",
	} {
		q := basic()
		if err := json.Unmarshal([]byte(request), q); err != nil {
			t.Fatal(err)
		}
		_, warnings, err := q.make(t)
		if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].Text, want) {
			t.Errorf("%s: %q, %v; want %q", request, warnings, err, want)
		}
	}
}

// What the image says, and what the request puts over it.
func TestRequestsOverImages(t *testing.T) {
	img := testImage(imageConfigText)
	for _, c := range []struct {
		change func(q *CreateRequest)
		want   string
	}{
		{func(q *CreateRequest) {}, "/e /bin/sh"},
		{func(q *CreateRequest) { q.Cmd = []string{"ls"} }, "/e ls"},
		{func(q *CreateRequest) { q.Entrypoint = []string{"/x"} }, "/x"},
		{func(q *CreateRequest) { q.Entrypoint, q.Cmd = []string{""}, []string{"ls"} }, "ls"},
		{func(q *CreateRequest) { q.Entrypoint = []string{} }, "/bin/sh"},
	} {
		q := &CreateRequest{Name: "/web", Config: Config{Config: moby.Config{Image: "example"}}}
		c.change(q)
		r, _, err := q.Record(testID, img, testWorld())
		if err != nil || strings.Join(r.Process.Args(), " ") != c.want {
			t.Errorf("%q %q: %+v, %v; want %s", q.Entrypoint, q.Cmd, r, err, c.want)
		}
	}
	q := &CreateRequest{Name: "/web", Config: Config{Config: moby.Config{
		Image: "example", Env: []string{"PATH", "B=2"}, Labels: map[string]string{"k": "v"}, Healthcheck: &moby.HealthConfig{Retries: 9}, Volumes: map[string]struct{}{"/own": {}},
	}, ExposedPorts: map[string]struct{}{"9000-9001/udp": {}}}}
	q.HostConfig.PublishAllPorts = true
	r, warnings, err := q.Record(testID, img, testWorld())
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	h := r.Health
	if got := fmt.Sprintln(r.Name, r.Image, r.Process.Env, r.Process.User, r.Process.Cwd, r.Process.Hostname, r.Labels, r.Life.StopSignal, r.Net.Exposed, len(r.Net.Publish), h.Test, h.Retries, h.Interval, h.Shell); got !=
		"web example [B=2] web:web /public/ "+testID[:12]+" map[com.example:v k:v] SIGTERM [443/tcp 444/tcp 445/tcp 80/tcp 9000/udp 9001/udp] 6 [CMD-SHELL true] 9 30s [/bin/sh -c]\n" {
		t.Error(got)
	}
	var targets []string
	for _, m := range r.Mounts {
		targets = append(targets, m.Target)
	}
	if strings.Join(targets, " ") != "/own /app/data" {
		t.Error(targets)
	}
	q.Healthcheck = &moby.HealthConfig{Test: []string{"NONE"}}
	if r, _, err := q.Record(testID, img, testWorld()); err != nil || r.Health.Enabled() {
		t.Errorf("%+v, %v", r.Health, err)
	}
}

// Names and networks of others: the host's, and another container's.
func TestRequestsAboutOthers(t *testing.T) {
	q := basic()
	q.HostConfig.NetworkMode = "host"
	if r, _, err := q.make(t); err != nil || r.Process.Hostname != "node5" || len(r.Net.Networks) != 0 || r.Net.Mode != "host" {
		t.Errorf("%+v, %v", r, err)
	}
	q.HostConfig.NetworkMode, q.HostConfig.VolumesFrom = "container:web", []string{"web:ro"}
	r, _, err := q.make(t)
	if err != nil || r.Process.Hostname != "other" || r.Process.Domainname != "example.com" || r.Net.Mode != "container:"+testID || len(r.Net.Networks) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, m := range r.Mounts {
		if !m.ReadOnly || !m.Inherited || !m.NoCopy || m.Type == container.MountTmpfs {
			t.Errorf("%+v", m)
		}
	}
	if len(r.Mounts) != 4 {
		t.Errorf("%d mounts", len(r.Mounts))
	}
	q = basic()
	q.NetworkingConfig = NetworkingConfig{network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{"c": nil, "b": {}, "a": {}}}, []string{"a", "c", "b"}}
	q.HostConfig.NetworkMode = "c"
	if r, _, err = q.make(t); err != nil || strings.Join(NetworkNames(&container.Container{Record: *r}), " ") != "c a b" {
		t.Errorf("%+v, %v", r, err)
	}
}

// A host without cgroups of its own says what it does instead, and what can be
// done about it, once.
func TestLimitsWithoutCgroups(t *testing.T) {
	w := testWorld()
	w.Controllers = func() ([]string, bool) { return nil, false }
	q := basic()
	q.HostConfig.Memory, q.HostConfig.NanoCPUs = 10<<20, 1e9
	_, warnings, err := q.Record(testID, overlay.Details{Config: json.RawMessage(`{}`)}, w)
	if err != nil || len(warnings) != 2 || warnings[0].Hint != "" || warnings[1].Hint == "" ||
		!strings.HasPrefix(warnings[0].Text, "the cgroup controller \"") {
		t.Errorf("%q, %v", warnings, err)
	}
	w.Controllers = nil
	if _, _, err := basic().Record(testID, overlay.Details{Config: json.RawMessage(`{}`)}, w); err != nil {
		t.Error(err)
	}
}
