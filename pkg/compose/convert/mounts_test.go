// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/mount"
)

// TestMounts: each type of a volume with its options.
func TestMounts(t *testing.T) {
	p := &types.Project{Volumes: types.Volumes{"data": {Name: "p_data"}}}
	for _, c := range []struct {
		asked types.ServiceVolumeConfig
		want  mount.Mount
	}{
		{types.ServiceVolumeConfig{Type: "volume", Source: "data", Target: "/d"}, mount.Mount{Type: "volume", Source: "p_data", Target: "/d"}},
		{types.ServiceVolumeConfig{Type: "volume", Target: "/d", Volume: &types.ServiceVolumeVolume{}}, mount.Mount{Type: "volume", Target: "/d"}},
		{
			types.ServiceVolumeConfig{Type: "volume", Source: "data", Target: "/d", ReadOnly: true, Volume: &types.ServiceVolumeVolume{NoCopy: true, Subpath: "s", Labels: types.Mapping{"a": "b"}}},
			mount.Mount{Type: "volume", Source: "p_data", Target: "/d", ReadOnly: true, VolumeOptions: &mount.VolumeOptions{NoCopy: true, Subpath: "s", Labels: map[string]string{"a": "b"}}},
		},
		{types.ServiceVolumeConfig{Type: "bind", Source: "/s", Target: "/d"}, mount.Mount{Type: "bind", Source: "/s", Target: "/d"}},
		{
			types.ServiceVolumeConfig{Type: "bind", Source: "/s", Target: "/d", Bind: &types.ServiceVolumeBind{CreateHostPath: true, Propagation: "rslave"}},
			mount.Mount{Type: "bind", Source: "/s", Target: "/d", BindOptions: &mount.BindOptions{CreateMountpoint: true, Propagation: "rslave"}},
		},
		{
			types.ServiceVolumeConfig{Type: "bind", Source: "/s", Target: "/d", Bind: &types.ServiceVolumeBind{Recursive: "readonly"}},
			mount.Mount{Type: "bind", Source: "/s", Target: "/d", BindOptions: &mount.BindOptions{ReadOnlyForceRecursive: true}},
		},
		{
			types.ServiceVolumeConfig{Type: "tmpfs", Target: "/d", Tmpfs: &types.ServiceVolumeTmpfs{Size: 5, Mode: 0o1770}},
			mount.Mount{Type: "tmpfs", Target: "/d", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: 5, Mode: fs.ModeSticky | 0o770}},
		},
		{types.ServiceVolumeConfig{Type: "image", Source: "i", Target: "/d"}, mount.Mount{Type: "image", Source: "i", Target: "/d"}},
		{
			types.ServiceVolumeConfig{Type: "image", Source: "i", Target: "/d", Image: &types.ServiceVolumeImage{SubPath: "s"}},
			mount.Mount{Type: "image", Source: "i", Target: "/d", ImageOptions: &mount.ImageOptions{Subpath: "s"}},
		},
	} {
		if got := volumeMount(p, c.asked); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v:\n%+v, want\n%+v", c.asked, got, c.want)
		}
	}
}

// TestMountedOnce: what a service mounts itself is stronger than a secret at the same
// place, and of two secrets the first is.
func TestMountedOnce(t *testing.T) {
	p, s := service(types.ServiceConfig{})
	p.Secrets = types.Secrets{"s": {File: "/f"}, "t": {File: "/g"}}
	s.Secrets = []types.ServiceSecretConfig{{Source: "s", Target: "/x"}, {Source: "t", Target: "/x"}, {Source: "t", Target: "/y"}}
	s.Volumes = []types.ServiceVolumeConfig{{Type: "bind", Source: "/own", Target: "/y/"}}
	s.Tmpfs = types.StringList{"/run", "/tmp:size=1m,mode=1777"}
	q, files, err := Container(p, s, Options{Number: 1})
	if err != nil || len(files) > 0 {
		t.Fatal(files, err)
	}
	var got []string
	for _, m := range q.HostConfig.Mounts {
		got = append(got, m.Source+":"+m.Target)
	}
	if !slices.Equal(got, []string{"/f:/x"}) || !slices.Equal(q.HostConfig.Binds, []string{"/own:/y/:rw"}) || q.HostConfig.Tmpfs["/tmp"] != "size=1m,mode=1777" || q.HostConfig.Tmpfs["/run"] != "" {
		t.Errorf("%v %v", got, q.HostConfig.Tmpfs)
	}
}

// TestAliases: the container's name, the service's, and its own.
func TestAliases(t *testing.T) {
	p, s := service(types.ServiceConfig{})
	no := false
	for _, c := range []struct {
		asked *types.ServiceNetworkConfig
		o     Options
		want  []string
	}{
		{nil, Options{}, []string{"p-a-2", "a"}},
		{&types.ServiceNetworkConfig{Aliases: []string{"own"}}, Options{}, []string{"p-a-2", "a", "own"}},
		{&types.ServiceNetworkConfig{UseServiceNameAlias: &no}, Options{}, []string{"p-a-2"}},
		{&types.ServiceNetworkConfig{Aliases: []string{"own"}}, Options{NoAliases: true, Name: "p-a-run-1"}, []string{"p-a-run-1"}},
	} {
		s.Networks = map[string]*types.ServiceNetworkConfig{"default": c.asked}
		c.o.Number = 2
		q, _, err := Container(p, s, c.o)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.NetworkingConfig.EndpointsConfig["p_default"].Aliases; !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v", c.asked, got)
		}
	}
}

// TestLinks: the names by which a container finds those that it links, each of them.
func TestLinks(t *testing.T) {
	p, s := service(types.ServiceConfig{Links: []string{"b:linked", "c"}, ExternalLinks: []string{"there", "far:near"}})
	two := 2
	p.Services["b"] = types.ServiceConfig{Name: "b", Scale: &two}
	p.Services["c"] = types.ServiceConfig{Name: "c", ContainerName: "own"}
	want := []string{
		"p-b-1:linked", "p-b-1:b-1", "p-b-1:p-b-1", "p-b-2:linked", "p-b-2:b-2", "p-b-2:p-b-2",
		"own:c", "own:c-1", "own:p-c-1", "there:there", "far:near",
	}
	q, _, err := Container(p, s, Options{Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := q.NetworkingConfig.EndpointsConfig["p_default"].Links; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestNames: of containers and images that a service does not name itself.
func TestNames(t *testing.T) {
	p, s := service(types.ServiceConfig{})
	if got := ContainerName(p, s, 7); got != "p-a-7" || ImageName(p, s) != "x" {
		t.Error(got, ImageName(p, s))
	}
	s.ContainerName, s.Image = "own", ""
	if got := ContainerName(p, s, 7); got != "own" || ImageName(p, s) != "p-a" {
		t.Error(got, ImageName(p, s))
	}
}

// TestBinds: what docker compose says as run -v does, and what it cannot.
func TestBinds(t *testing.T) {
	p, _ := service(types.ServiceConfig{})
	p.Volumes = types.Volumes{"data": {Name: "shop_data"}}
	created := &types.ServiceVolumeBind{CreateHostPath: true}
	for _, c := range []struct {
		v    types.ServiceVolumeConfig
		want string
	}{
		{types.ServiceVolumeConfig{Type: "bind", Source: "/a", Target: "/b"}, "/a:/b:rw"},
		{types.ServiceVolumeConfig{Type: "bind", Source: "/a", Target: "/b", ReadOnly: true, Bind: created}, "/a:/b:ro"},
		{types.ServiceVolumeConfig{Type: "bind", Source: "/a", Target: "/b", Bind: &types.ServiceVolumeBind{CreateHostPath: true, SELinux: "z"}}, "/a:/b:rw,z"},
		{types.ServiceVolumeConfig{Type: "bind", Source: "/a", Target: "/b", Bind: &types.ServiceVolumeBind{}}, ""},
		{types.ServiceVolumeConfig{Type: "bind", Source: "/a", Target: "/b", Bind: &types.ServiceVolumeBind{CreateHostPath: true, Propagation: "rshared"}}, ""},
		{types.ServiceVolumeConfig{Type: "bind", Source: "/a:c", Target: "/b"}, ""},
		{types.ServiceVolumeConfig{Type: "volume", Source: "data", Target: "/b"}, "shop_data:/b:rw"},
		{types.ServiceVolumeConfig{Type: "volume", Source: "data", Target: "/b", Volume: &types.ServiceVolumeVolume{NoCopy: true}}, ""},
		{types.ServiceVolumeConfig{Type: "volume", Target: "/b"}, ""},
		{types.ServiceVolumeConfig{Type: "tmpfs", Target: "/b"}, ""},
	} {
		if got, ok := bindOf(p, c.v, volumeMount(p, c.v)); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%+v: %q", c.v, got)
		}
	}
}

// TestUseAPISocket mounts it once.
func TestUseAPISocket(t *testing.T) {
	p, s := service(types.ServiceConfig{})
	s.UseAPISocket = true
	for range 2 {
		q, _, err := Container(p, s, Options{Number: 1})
		if err != nil || len(q.HostConfig.Binds) != 1 || !strings.HasPrefix(q.HostConfig.Binds[0], "/var/run/docker.sock:/var/run/docker.sock") {
			t.Errorf("%v %v", q.HostConfig.Binds, err)
		}
		s.Volumes = []types.ServiceVolumeConfig{{Type: "bind", Source: engineSocket, Target: engineSocket}}
	}
}
