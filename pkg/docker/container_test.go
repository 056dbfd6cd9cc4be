// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/network"
)

const testID = "ba033ac4401106a3b513bc9d639eee123ad78ca3616b921167cd74b20e25ed39"

var (
	testTime = time.Date(2016, 6, 7, 20, 31, 11, 853781916, time.UTC)
	testMAC  = network.MAC{0x02, 0x42, 0x0a, 0, 0, 2}
)

func testPlaces() Places {
	return Places{
		Files:  "/c/files",
		Volume: func(name string) string { return "/v/" + name },
		Network: func(name string) string {
			if name == "back" { // gone since
				return ""
			}
			return "id of " + name
		},
		Throttle: []string{"/sys/devices/system/cpu/cpu0/thermal_throttle"},
	}
}

// created is a container of which nothing was asked.
func created() *container.Container {
	return &container.Container{
		Record: container.Record{
			ID: testID, Name: "quizzical_bell", Created: testTime, Image: "ubuntu", ImageID: testID, LayerDirs: []string{"/l/base/diff", "/l/top/diff"}, Platform: "linux",
			Process: container.Process{Cmd: []string{"sh", "-c", "exit 9"}, Env: []string{"PATH=/bin"}, Hostname: testID[:12], AttachStdout: true, AttachStderr: true},
			Net:     container.Net{Mode: "bridge", Networks: []container.Endpoint{{Network: "bridge"}}},
			Life:    container.Life{LogDriver: "json-file"},
		},
		State: container.State{Status: container.Created},
	}
}

// running is a container of which everything was asked.
func running() *container.Container {
	yes, seven, mask := 500, 7, uint32(0o22)
	addr := netip.MustParseAddr
	return &container.Container{
		Record: container.Record{
			ID: testID, Name: "web", Created: testTime, Image: "example.org/web:1", ImageID: testID, LayerDirs: []string{"/l/base/diff"}, Platform: "linux",
			Annotations: map[string]string{"an": "notation"}, Labels: map[string]string{"k": "v"},
			Process: container.Process{
				Entrypoint: []string{"/entry"}, Cmd: []string{"serve", "now"}, Env: []string{"A=1"}, Cwd: "/srv", User: "app:app", GroupAdd: []string{"audio"},
				Umask: &mask, Hostname: "web", Domainname: "example.org", Tty: true, OpenStdin: true, StdinOnce: true, AttachStdin: true,
			},
			Net: container.Net{
				Mode: "front", PublishAll: true, Exposed: []string{"80/tcp", "443/tcp"}, AddHosts: []string{"db:10.0.0.1"},
				Networks: []container.Endpoint{
					{Network: "front", Aliases: []string{"www"}, IP: addr("172.18.0.2"), IP6: addr("fd00::2"), MAC: testMAC, Priority: 9}, {Network: "back"},
				},
				Publish: []network.PortSpec{
					{HostIP: addr("127.0.0.1"), HostPort: 8080, HostPortEnd: 8080, ContainerPort: 80, Proto: "tcp"}, {ContainerPort: 80, Proto: "tcp"},
					{HostPort: 5000, HostPortEnd: 5010, ContainerPort: 53, Proto: "udp"},
				},
				DNS: []string{"1.1.1.1", " fd00::1 "}, DNSSearch: []string{"example.org"}, DNSOptions: []string{"ndots:1"},
			},
			Mounts: []container.Mount{
				{Type: container.MountVolume, Name: "data", Target: "/data"}, {Type: container.MountBind, Source: "/src", Target: "/dst", ReadOnly: true},
				{Type: container.MountVolume, Name: testID, Target: "/anon"}, {Type: container.MountTmpfs, Target: "/t", ReadOnly: true, TmpfsOptions: []string{"size=1m"}},
				{Type: container.MountTmpfs, Target: "/u"}, {Type: container.MountImage, Name: testID, Source: "busybox", Target: "/image", ReadOnly: true},
			},
			Limits: container.Limits{
				ShmSize: 1 << 20, Ulimits: []container.Ulimit{{Name: "nofile", Soft: 1024, Hard: 2048}}, Sysctls: map[string]string{"net.ipv4.ip_forward": "1"},
				OomScoreAdj: &yes, CgroupParent: "my.slice", Cgroup: cgroup.Limits{
					Memory: 100 << 20, MemorySwap: -1, MemoryReservation: 1, NanoCPUs: 1_500_000_000, CPUPeriod: 100_000, CPUQuota: 50_000, CPUShares: 512,
					CpusetCpus: "0-1", CpusetMems: "0", PidsLimit: 64, BlkioWeight: 300, IO: []cgroup.Rate{
						{Device: "/dev/sda", Key: "rbps", Value: 1}, {Device: "/dev/sda", Key: "wbps", Value: 2}, {Device: "/dev/sda", Key: "riops", Value: 3}, {Device: "/dev/sdb", Key: "wiops", Value: 4},
					},
				},
			},
			Safety: container.Safety{
				CapAdd: []string{"NET_RAW"}, CapDrop: []string{"ALL"}, Privileged: true, NoNewPrivs: true, Seccomp: "unconfined", ReadOnlyRootfs: true,
				HostPID: true, HostIPC: true, HostUTS: true, HostCgroup: true, Devices: []container.Device{{Source: "/dev/fuse", Target: "/dev/fuse", Permissions: "rwm"}},
			},
			Life: container.Life{
				AutoRemove: true, Restart: container.Restart{Name: "on-failure", Max: 5}, StopSignal: "SIGQUIT", StopTimeout: &seven, Init: true,
				LogDriver: "journald", LogOpts: map[string]string{"tag": "x"},
			},
			Health: &container.HealthCheck{Test: []string{"CMD", "true"}, Interval: time.Second, Timeout: 2 * time.Second, StartPeriod: 3 * time.Second, StartInterval: 4 * time.Second, Retries: 5},
		},
		State: container.State{
			Status: container.Running, Pid: 4242, OOMKilled: true, Restarts: 3, StartedAt: time.Date(2016, 6, 7, 20, 31, 12, 0, time.UTC),
			Health: &container.Health{Status: "unhealthy", FailingStreak: 2, Log: []container.Probe{
				{Start: time.Date(2016, 6, 7, 20, 31, 13, 0, time.UTC), End: time.Date(2016, 6, 7, 20, 31, 14, 0, time.UTC), ExitCode: 1, Output: "no\n"},
			}},
			Ports: []network.Port{{HostIP: addr("127.0.0.1"), HostPort: 8080, ContainerPort: 80, Proto: "tcp"}},
			Networks: map[string]network.Place{"front": {
				Address: netip.MustParsePrefix("172.18.0.2/16"), Gateway: addr("172.18.0.1"), Address6: netip.MustParsePrefix("fd00::2/64"), Gateway6: addr("fd00::1"), MAC: testMAC,
			}},
		},
	}
}

func TestContainerThatWasCreated(t *testing.T) {
	sameShape(t, "container-created.json", InspectContainer(created(), testPlaces()))
}

func TestContainerWithEverything(t *testing.T) {
	sameShape(t, "container-running.json", InspectContainer(running(), testPlaces()))
}

// The fields stand in Docker's order, for people who read them.
func TestOrderOfFields(t *testing.T) {
	data, err := json.Marshal(InspectContainer(created(), testPlaces()))
	if err != nil {
		t.Fatal(err)
	}
	last := -1
	for _, key := range []string{"Id", "Created", "Path", "Args", "State", "Image", "ResolvConfPath", "LogPath", "Name", "RestartCount", "Driver", "Platform",
		"ExecIDs", "HostConfig", "GraphDriver", "Mounts", "Hostname", "NetworkSettings"} {
		i := strings.Index(string(data[last+1:]), `"`+key+`":`)
		if i < 0 {
			t.Fatalf("%s does not stand where Docker has it", key)
		}
		last += i + 1
	}
}

// A container has all fields of Docker's own type, and of the type of its
// configuration.
func TestNoFieldIsLost(t *testing.T) {
	for _, c := range []struct{ ours, docker reflect.Type }{
		{reflect.TypeFor[Container](), reflect.TypeFor[moby.InspectResponse]()},
		{reflect.TypeFor[NetworkSettings](), reflect.TypeFor[moby.NetworkSettings]()},
	} {
		for i := range c.docker.NumField() {
			f := c.docker.Field(i)
			if _, ok := c.ours.FieldByName(f.Name); !ok && f.Name != "Storage" { // of the other image store
				t.Errorf("%v has no %s", c.ours, f.Name)
			}
		}
	}
}

func TestStates(t *testing.T) {
	for status, want := range map[container.Status][3]bool{ // running, paused, restarting
		container.Created: {}, container.Running: {true, false, false}, container.Paused: {true, true, false},
		container.Restarting: {true, false, true}, container.Exited: {},
	} {
		got := containerState(container.State{Status: status, ExitCode: 3})
		if [3]bool{got.Running, got.Paused, got.Restarting} != want || got.Status != moby.ContainerState(status) || got.ExitCode != 3 || got.Health != nil {
			t.Errorf("%s: %+v", status, got)
		}
	}
}

func TestModes(t *testing.T) {
	for _, c := range []struct {
		safety container.Safety
		net    string
		masked bool
		ipc    string
		pid    string
		opts   int
	}{
		{container.Safety{}, "bridge", true, "private", "", 0},
		{container.Safety{NoShm: true, HostPID: true}, "bridge", true, "none", "host", 0},
		{container.Safety{HostIPC: true}, "host", true, "host", "", 0},
		{container.Safety{ShareableIPC: true, PIDOf: testID}, "bridge", true, "shareable", "container:" + testID, 0},
		{container.Safety{IPCOf: testID}, "bridge", true, "container:" + testID, "", 0},
		{container.Safety{UnmaskPaths: true, Seccomp: `{"x":1}`}, "bridge", false, "private", "", 1},
		{container.Safety{Privileged: true, NoNewPrivs: true}, "bridge", false, "private", "", 1},
	} {
		ctr := created()
		ctr.Safety, ctr.Net = c.safety, container.Net{Mode: c.net}
		h := hostConfig(ctr, testPlaces())
		if string(h.IpcMode) != c.ipc || string(h.PidMode) != c.pid || (len(h.MaskedPaths) > 0) != c.masked || (len(h.ReadonlyPaths) > 0) != c.masked || h.MaskedPaths == nil ||
			slices.Contains(h.MaskedPaths, testPlaces().Throttle[0]) != c.masked || len(h.SecurityOpt) != c.opts {
			t.Errorf("%+v: ipc %s, pid %s, masks %v, security %v", c.safety, h.IpcMode, h.PidMode, h.MaskedPaths, h.SecurityOpt)
		}
	}
}

// On another container's network there are no networks of one's own; on the
// host's there is one without addresses.
func TestNetworksOfOthers(t *testing.T) {
	for mode, want := range map[string][]string{"container:" + testID: {}, "host": {"host"}, "none": {"none"}} {
		c := running()
		c.Net = container.Net{Mode: mode}
		s := networkSettings(c, testPlaces())
		if len(s.Networks) != len(want) || s.IPAddress != "" {
			t.Errorf("%s: %+v", mode, s)
		}
		for _, name := range want {
			if e := s.Networks[name]; e == nil || e.NetworkID != "id of "+name || e.DNSNames != nil {
				t.Errorf("%s: %+v", mode, e)
			}
		}
	}
}

func TestAnonymousVolumes(t *testing.T) {
	for name, want := range map[string]bool{"": true, testID: true, "data": false, testID[:63]: false, strings.ToUpper(testID): false} {
		if isAnonymous(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}

// An address that is none is left out: records are files that may have been
// written by anybody.
func TestAddresses(t *testing.T) {
	if got := addresses([]string{"1.1.1.1", "x", ""}); len(got) != 1 || got[0].String() != "1.1.1.1" {
		t.Error(got)
	}
	if addresses(nil) == nil {
		t.Error("null")
	}
}

// What comes from another container is where its name is said, and on none of
// the container's own lists.
func TestWhatComesFromAnotherContainer(t *testing.T) {
	c := created()
	c.VolumesFrom, c.IDFile = []string{"other:ro"}, "/run/id"
	c.Mounts = []container.Mount{
		{Type: container.MountBind, Source: "/a", Target: "/b", Inherited: true},
		{Type: container.MountVolume, Name: testID, Target: "/v", ReadOnly: true, Inherited: true},
		{Type: container.MountVolume, Name: "own", Target: "/own"},
	}
	c.Net = container.Net{Mode: "container:" + testID}
	a := InspectContainer(c, testPlaces())
	h := a.HostConfig
	if len(h.VolumesFrom) != 1 || h.VolumesFrom[0] != "other:ro" || h.ContainerIDFile != "/run/id" || len(h.Binds) != 1 || h.Binds[0] != "own:/own" {
		t.Errorf("%q %q %q", h.VolumesFrom, h.ContainerIDFile, h.Binds)
	}
	if len(a.Config.Volumes) != 0 || len(a.Mounts) != 3 || len(a.NetworkSettings.Networks) != 0 || len(NetworkNames(c)) != 0 {
		t.Errorf("%v %v %v", a.Config.Volumes, a.Mounts, NetworkNames(c))
	}
}
