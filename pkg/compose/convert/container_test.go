// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"
	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/docker"
)

// service is a service alone in its project, with the default network.
func service(s types.ServiceConfig) (*types.Project, types.ServiceConfig) {
	s.Name = "a"
	if s.Image == "" {
		s.Image = "x"
	}
	if s.Networks == nil && s.NetworkMode == "" {
		s.Networks = map[string]*types.ServiceNetworkConfig{"default": nil}
	}
	return &types.Project{
		Name: "p", WorkingDir: "/w", Networks: types.Networks{"default": {Name: "p_default"}}, Services: types.Services{"a": s},
	}, s
}

func made(t *testing.T, s types.ServiceConfig, o Options) docker.CreateRequest {
	t.Helper()
	p, s := service(s)
	o.Number = max(1, o.Number)
	q, _, err := Container(p, s, o)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestRestartPolicies: restart, and deploy's, which is stronger.
func TestRestartPolicies(t *testing.T) {
	five := uint64(5)
	for _, c := range []struct {
		restart string
		deploy  *types.RestartPolicy
		want    moby.RestartPolicy
	}{
		{"", nil, moby.RestartPolicy{}},
		{"no", nil, moby.RestartPolicy{Name: "no"}},
		{"always", nil, moby.RestartPolicy{Name: "always"}},
		{"unless-stopped", nil, moby.RestartPolicy{Name: "unless-stopped"}},
		{"on-failure", nil, moby.RestartPolicy{Name: "on-failure"}},
		{"on-failure:3", nil, moby.RestartPolicy{Name: "on-failure", MaximumRetryCount: 3}},
		{"always", &types.RestartPolicy{Condition: "none"}, moby.RestartPolicy{Name: "no"}},
		{"", &types.RestartPolicy{Condition: "any", MaxAttempts: &five}, moby.RestartPolicy{Name: "always"}},
		{"", &types.RestartPolicy{Condition: "on-failure", MaxAttempts: &five}, moby.RestartPolicy{Name: "on-failure", MaximumRetryCount: 5}},
	} {
		s := types.ServiceConfig{Restart: c.restart}
		if c.deploy != nil {
			s.Deploy = &types.DeployConfig{RestartPolicy: c.deploy}
		}
		if got := made(t, s, Options{}).HostConfig.RestartPolicy; got != c.want {
			t.Errorf("%q %+v: %+v", c.restart, c.deploy, got)
		}
	}
}

// TestCommands: what is not said is the image's, and what is said to be nothing is
// nothing.
func TestCommands(t *testing.T) {
	s := types.ServiceConfig{}
	if q := made(t, s, Options{}); q.Cmd != nil || q.Entrypoint != nil {
		t.Errorf("nothing said: %q %q", q.Cmd, q.Entrypoint)
	}
	s.Command, s.Entrypoint = types.ShellCommand{}, types.ShellCommand{}
	if q := made(t, s, Options{}); q.Cmd == nil || len(q.Cmd) != 0 || !slices.Equal(q.Entrypoint, []string{""}) {
		t.Errorf("nothing wanted: %#v %#v", q.Cmd, q.Entrypoint)
	}
}

// TestResources: sizes, numbers of CPUs without the rounding of 32 bits, and limits.
func TestResources(t *testing.T) {
	s := types.ServiceConfig{Deploy: &types.DeployConfig{Resources: types.Resources{
		Limits:       &types.Resource{NanoCPUs: 0.1, MemoryBytes: 64 << 20, Pids: 7},
		Reservations: &types.Resource{MemoryBytes: 32 << 20, Devices: []types.DeviceRequest{{Capabilities: []string{"gpu"}, IDs: []string{"0"}}}},
	}}}
	s.CPUS, s.MemLimit, s.OomScoreAdj = 3, 1<<20, -5
	s.Gpus = []types.DeviceRequest{{Driver: "cdi"}}
	s.Ulimits = map[string]*types.UlimitsConfig{"nofile": {Single: 9}, "core": {Soft: -1, Hard: -1}}
	h := made(t, s, Options{}).HostConfig
	if h.NanoCPUs != 1e8 || h.Memory != 64<<20 || h.MemoryReservation != 32<<20 || *h.PidsLimit != 7 || h.OomScoreAdj != -5 {
		t.Errorf("%+v", h.Resources)
	}
	if len(h.Ulimits) != 2 || *h.Ulimits[0] != (units.Ulimit{Name: "core", Soft: -1, Hard: -1}) || *h.Ulimits[1] != (units.Ulimit{Name: "nofile", Soft: 9, Hard: 9}) {
		t.Errorf("ulimits: %+v", h.Ulimits)
	}
	data, err := json.Marshal(h.DeviceRequests)
	if want := `[{"Driver":"","Count":0,"DeviceIDs":["0"],"Capabilities":[["gpu"]],"Options":null},{"Driver":"cdi","Count":-1,"DeviceIDs":null,"Capabilities":[["gpu"]],"Options":null}]`; err != nil || string(data) != want {
		t.Errorf("devices: %s", data)
	}
}

// TestProfile: a seccomp profile is a file beside the Compose file; its text is asked
// for.
func TestProfile(t *testing.T) {
	s := types.ServiceConfig{}
	s.SecurityOpt = []string{"seccomp=p.json", "no-new-privileges", "label:disable", "systempaths=unconfined"}
	q := made(t, s, Options{ReadFile: func(path string) ([]byte, error) {
		if path != "/w/p.json" {
			t.Errorf("reads %s", path)
		}
		return []byte("{\n \"a\": 1 }"), nil
	}})
	if h := q.HostConfig; !slices.Equal(h.SecurityOpt, []string{`seccomp={"a":1}`, "no-new-privileges", "label:disable"}) || h.MaskedPaths == nil || h.ReadonlyPaths == nil {
		t.Errorf("%q %v", h.SecurityOpt, h.MaskedPaths)
	}
	s.SecurityOpt = s.SecurityOpt[:1]
	for text, want := range map[string]string{"": "opening seccomp profile (/w/p.json) failed", "{": "compacting json for seccomp profile (/w/p.json) failed"} {
		p, s := service(s)
		_, _, err := Container(p, s, Options{Number: 1, ReadFile: func(string) ([]byte, error) {
			if text == "" {
				return nil, errors.New("gone")
			}
			return []byte(text), nil
		}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestHash: of what makes a container, and of nothing else.
func TestHash(t *testing.T) {
	three := 3
	base := types.ServiceConfig{Name: "a", Deploy: &types.DeployConfig{}}
	base.Image = "x"
	want, err := Hash(base)
	if err != nil || len(want) != 64 {
		t.Fatal(want, err)
	}
	same := base
	same.PullPolicy, same.Scale, same.Profiles, same.Build = "always", &three, []string{"p"}, &types.BuildConfig{Context: "."}
	same.DependsOn, same.Deploy = types.DependsOnConfig{"b": {}}, &types.DeployConfig{Replicas: &three}
	if got, _ := Hash(same); got != want {
		t.Error("how many, when, and how the image is made, make another container")
	}
	if *same.Deploy.Replicas != 3 {
		t.Error("the hash changed the service")
	}
	other := base
	other.Image = "y"
	if got, _ := Hash(other); got == want {
		t.Error("another image makes the same container")
	}
	v, _ := VolumeHash(types.VolumeConfig{Name: "v"})
	if local, _ := VolumeHash(types.VolumeConfig{Name: "v", Driver: "local"}); v != local {
		t.Error("a volume without a driver is another than a local one")
	}
}

// TestDependenciesAreReadBack, whoever wrote them.
func TestDependenciesAreReadBack(t *testing.T) {
	s := types.ServiceConfig{}
	s.DependsOn = types.DependsOnConfig{"b": {Condition: "service_healthy", Restart: true}, "a": {Condition: "service_started"}}
	text := dependencies(s)
	if text != "a:service_started:false,b:service_healthy:true" {
		t.Error(text)
	}
	if got := ParseDependencies(text); !slices.Equal(got, []Dependency{{"a", "service_started", false}, {"b", "service_healthy", true}}) {
		t.Errorf("%+v", got)
	}
	if got := ParseDependencies(",x,,y:,"); !slices.Equal(got, []Dependency{{"x", "service_started", false}, {"y", "service_started", false}}) {
		t.Errorf("%+v", got)
	}
}

// TestResolve: what is shared with another service is its first container's.
func TestResolve(t *testing.T) {
	s := types.ServiceConfig{Name: "a"}
	s.VolumesFrom, s.NetworkMode, s.Ipc, s.Pid = []string{"b:ro", "container:c:rw", "d"}, "service:b", "host", "service:d"
	ids := map[string]string{"b": "B", "d": "D"}
	of := func(name string) (string, bool) { id, ok := ids[name]; return id, ok }
	got, err := Resolve(s, of)
	if err != nil || !slices.Equal(got.VolumesFrom, []string{"B:ro", "c:rw", "D"}) || got.NetworkMode != "container:B" || got.Pid != "container:D" || got.Ipc != "host" {
		t.Errorf("%v %q %q %v", got.VolumesFrom, got.NetworkMode, got.Pid, err)
	}
	if needs := Needs(s); !slices.Equal(needs, []string{"b", "d", "b", "d"}) || s.VolumesFrom[0] != "b:ro" {
		t.Errorf("needs %v; the service itself: %v", needs, s.VolumesFrom)
	}
	if other := (types.ServiceConfig{Name: "b"}); !NamesContainer(s) || NamesContainer(other) {
		t.Error("who names a container")
	}
	delete(ids, "d")
	if _, err := Resolve(s, of); err == nil || err.Error() != "cannot share volume with service d: container missing" {
		t.Error(err)
	}
	s.VolumesFrom = nil
	if _, err := Resolve(s, of); err == nil || err.Error() != "cannot share PID namespace with service d: container missing" {
		t.Error(err)
	}
}

// TestFiles: where secrets and configurations are put, and whose they are.
func TestFiles(t *testing.T) {
	mode := types.FileMode(0o440)
	p := &types.Project{Environment: types.Mapping{"V": "of a variable"}}
	for _, c := range []struct {
		name  string
		ref   types.FileReferenceConfig
		def   types.FileObjectConfig
		want  File
		plain bool
		err   string
	}{
		{name: "a file", ref: types.FileReferenceConfig{Source: "s"}, def: types.FileObjectConfig{File: "/f"}, want: File{Target: "/run/secrets/s", Source: "/f", Mode: 0o444}, plain: true},
		{name: "a file of somebody", ref: types.FileReferenceConfig{Source: "s", Target: "t", UID: "1", GID: "2", Mode: &mode}, def: types.FileObjectConfig{File: "/f"}, want: File{Target: "/run/secrets/t", Source: "/f", UID: 1, GID: 2, Mode: 0o440}},
		{name: "a variable", ref: types.FileReferenceConfig{Source: "s", Target: "/a/../b"}, def: types.FileObjectConfig{Environment: "V"}, want: File{Target: "/b", Content: "of a variable", Mode: 0o444}},
		{name: "a text", ref: types.FileReferenceConfig{Source: "s"}, def: types.FileObjectConfig{Content: "text"}, want: File{Target: "/run/secrets/s", Content: "text", Mode: 0o444}},
		{name: "no variable", ref: types.FileReferenceConfig{Source: "s"}, def: types.FileObjectConfig{Environment: "W"}, err: `environment variable "W" required by secret "s" is not set`},
		{name: "external", ref: types.FileReferenceConfig{Source: "s"}, def: types.FileObjectConfig{Name: "n", External: true}, err: "unsupported external secret n"},
		{name: "a driver", ref: types.FileReferenceConfig{Source: "s"}, def: types.FileObjectConfig{Driver: "d"}, err: "driver and template_driver are not supported"},
		{name: "a name", ref: types.FileReferenceConfig{Source: "s", UID: "root"}, def: types.FileObjectConfig{Content: "x"}, err: "uid and gid are numbers"},
		{name: "below none", ref: types.FileReferenceConfig{Source: "s", GID: "-1"}, def: types.FileObjectConfig{Content: "x"}, err: "uid and gid are numbers"},
	} {
		f, plain, err := fileOf(p, "secret", "/run/secrets/", c.ref, c.def)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil || f != c.want || plain != c.plain {
			t.Errorf("%s: %+v %v %v", c.name, f, plain, err)
		}
	}
}

// TestNetworkRequest: addresses as they are written, and mistakes in them.
func TestNetworkRequest(t *testing.T) {
	of := func(pool types.IPAMPool) (docker.NetworkRequest, error) {
		return Network(&types.Project{Name: "p", Networks: types.Networks{"n": {Name: "p_n", Ipam: types.IPAMConfig{Config: []*types.IPAMPool{&pool}}}}}, "n")
	}
	q, err := of(types.IPAMPool{Subnet: "10.9.0.0/16", Gateway: "10.9.0.1", IPRange: "10.9.8.0/24", AuxiliaryAddresses: types.Mapping{"h": "10.9.0.5"}})
	if err != nil || q.IPAM.Config[0].Subnet.String() != "10.9.0.0/16" || q.IPAM.Config[0].AuxAddress["h"].String() != "10.9.0.5" || q.Labels[LabelNetwork] != "n" {
		t.Errorf("%+v %v", q, err)
	}
	for _, pool := range []types.IPAMPool{{Subnet: "10.9.0.0"}, {IPRange: "x"}, {Gateway: "x"}, {AuxiliaryAddresses: types.Mapping{"h": "x"}}} {
		if _, err := of(pool); err == nil || !strings.HasPrefix(err.Error(), "network n: invalid ") {
			t.Errorf("%+v: %v", pool, err)
		}
	}
}

// TestBuildRefusals: what no build is given.
func TestBuildRefusals(t *testing.T) {
	for want, b := range map[string]types.BuildConfig{
		"build.context is not supported: remote contexts": {Context: "https://example.org/x.git"},
		"build.ssh is not supported":                      {Context: "/c", SSH: types.SSHConfig{{ID: "default"}}},
		"build.entitlements is not supported":             {Context: "/c", Entitlements: []string{"network.host"}},
		"build.privileged is not supported":               {Context: "/c", Privileged: true},
		"build.platforms is not supported":                {Context: "/c", Platforms: []string{"linux/amd64", "linux/arm64"}},
		"build.additional_contexts: oci-layout://x":       {Context: "/c", AdditionalContexts: types.Mapping{"a": "oci-layout://x"}},
		`invalid tag "Bad Name"`:                          {Context: "/c", Tags: []string{"Bad Name"}},
	} {
		p, s := service(types.ServiceConfig{})
		s.Build = &b
		if _, err := Build(p, s, BuildOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	s := types.ServiceConfig{Name: "a"}
	s.Build = &types.BuildConfig{CacheFrom: []string{"x"}, SBOM: "true", AdditionalContexts: types.Mapping{"b": "service:other"}}
	if said := UnheardBuild(s); len(said) != 2 || !strings.Contains(said[0], "build.cache_from has no effect") {
		t.Errorf("named: %q", said)
	}
	if needs := BuildNeeds(s); !slices.Equal(needs, []string{"other"}) {
		t.Errorf("needs: %v", needs)
	}
}
