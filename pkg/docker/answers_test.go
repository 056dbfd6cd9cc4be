// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/network"
	"coracle/pkg/overlay"
	"coracle/pkg/volume"
)

const imageID = "ec3f0931a6e6b6855d76b2d7b0be30e81860baccd891b2e243280bf1cd8ad710"

const imageConfigText = `{
	"created": "2022-02-04T21:20:12.497794809Z", "author": "somebody", "architecture": "arm", "variant": "v7", "os": "linux", "os.version": "1",
	"config": {
		"User": "web:web", "ExposedPorts": {"80/tcp": {}, "443-445/tcp": {}}, "Env": ["PATH=/bin"], "Entrypoint": ["/e"], "Cmd": ["/bin/sh"],
		"Volumes": {"/app/data": {}}, "WorkingDir": "/public/", "Labels": {"com.example": "v"}, "StopSignal": "SIGTERM", "OnBuild": ["RUN x"],
		"Shell": ["/bin/sh", "-c"], "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 30000000000, "Retries": 3}
	},
	"rootfs": {"type": "layers", "diff_ids": [
		"sha256:1834950e52ce4d5a88a1bbd131c537f4d0e56d10ff0dd69e66be3b7dfa9df7e6", "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]},
	"history": [
		{"created_by": "ADD file /"}, {"created_by": "COPY x /"},
		{"created": "2022-02-04T21:20:12.497794809Z", "created_by": "CMD [\"/bin/sh\"]", "comment": "last", "empty_layer": true}
	]
}`

func testImage(config string) overlay.Details {
	return overlay.Details{
		Image: overlay.Image{
			ID: imageID, Names: []string{"docker.io/library/example:1.0", "internal.registry.example.com:5000/example:1.0"},
			RepoDigests: []string{"docker.io/library/example@sha256:afcc7f1ac1b49db317a7196c902e61c6c3c4607d63599ee1a82d702d249a0ccb"},
			Created:     time.Date(2022, 2, 4, 21, 20, 12, 497794809, time.UTC), Size: 1239828, Labels: map[string]string{"com.example": "v"},
		},
		LayerDirs: []string{"/l/base/diff", "/l/top/diff"}, LayerSizes: []int64{11, 22}, Config: json.RawMessage(config),
	}
}

func TestImage(t *testing.T) {
	d := testImage(strings.Replace(imageConfigText, `"comment": "last"`, `"comment": "buildkit.dockerfile.v0"`, 1))
	img, err := InspectImage(d)
	if err != nil {
		t.Fatal(err)
	}
	sameShape(t, "image.json", img)
	if img.ContainerConfig != img.Config {
		t.Error("scripts of before API 1.44 read nothing in .ContainerConfig")
	}
}

func TestImageWithoutAnything(t *testing.T) {
	img, err := InspectImage(overlay.Details{Image: overlay.Image{ID: imageID}, Config: json.RawMessage(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	sameShape(t, "image-scratch.json", img)
}

func TestImageThatIsNoImage(t *testing.T) {
	for _, text := range []string{"", "[]", `{"config": {"Cmd": 1}}`} {
		if _, err := InspectImage(testImage(text)); err == nil || !strings.Contains(err.Error(), imageID[:12]) {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := History(testImage(text)); err == nil {
			t.Errorf("%q has a history", text)
		}
	}
}

func TestImageSummary(t *testing.T) {
	sameShape(t, "image-summary.json", ImageSummary(testImage("").Image))
}

func TestHistory(t *testing.T) {
	items, err := History(testImage(imageConfigText))
	if err != nil {
		t.Fatal(err)
	}
	sameShape(t, "history.json", items)
}

// A history may be longer than the layers, or their sizes may not be known.
func TestHistoryWithoutSizes(t *testing.T) {
	for _, sizes := range [][]int64{nil, {5}} {
		d := testImage(imageConfigText)
		d.LayerSizes = sizes
		items, err := History(d)
		if err != nil || len(items) != 3 || items[1].Size != 0 {
			t.Errorf("%v: %+v, %v", sizes, items, err)
		}
	}
}

func TestNetwork(t *testing.T) {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	w := network.Network{
		ID: "7d86d31b1478e7cca9ebed7e73aa0fdeec46c5ca29497431d3007d2d9e15ed99", Name: "my_network", Created: time.Date(2016, 10, 19, 4, 33, 30, 360899459, time.UTC),
		Subnet: prefix("172.20.0.0/16"), Range: prefix("172.20.10.0/24"), Gateway: addr("172.20.10.11"), Aux: map[string]netip.Addr{"router": addr("172.20.10.12")},
		Subnet6: prefix("2001:db8:1234::/64"), Gateway6: addr("2001:db8:1234::1"), Internal: true, Labels: map[string]string{"com.example": "v"},
	}
	sameShape(t, "network.json", InspectNetwork(w, []network.Member{
		{Container: testID, Name: "test", Addr: addr("172.20.10.2"), Addr6: addr("2001:db8:1234::2"), MAC: testMAC},
		{Container: "other", Name: "v4", Addr: addr("172.20.10.3"), MAC: testMAC},
	}))
	w.Aux["six"] = addr("2001:db8:1234::9")
	pools := InspectNetwork(w, nil).IPAM.Config
	if pools[0].AuxAddress["router"] != "172.20.10.12" || pools[1].AuxAddress["six"] != "2001:db8:1234::9" {
		t.Errorf("%+v", pools)
	}
	w.Aux, w.Reserved = nil, []netip.Addr{addr("172.20.10.12")}
	if got := InspectNetwork(w, nil).IPAM.Config[0].AuxAddress["reserved0"]; got != "172.20.10.12" {
		t.Errorf("an address without a name: %q", got)
	}
}

func TestPredefinedNetworks(t *testing.T) {
	bridge := network.Place{Address: netip.MustParsePrefix("172.18.0.100/16"), Gateway: netip.MustParseAddr("172.18.0.1")}
	on := running()
	on.Net = container.Net{Mode: "bridge", Networks: []container.Endpoint{{Network: "bridge"}}}
	on.State.Networks = map[string]network.Place{"bridge": on.State.Networks["front"]}
	sameShape(t, "network-bridge.json", PredefinedNetwork("bridge", bridge, testTime, []*container.Container{on, created()}))
	for name, driver := range map[string]string{"host": "host", "none": "null"} {
		n := PredefinedNetwork(name, bridge, testTime, []*container.Container{on})
		if n.Driver != driver || len(n.IPAM.Config) != 0 || n.IPAM.Config == nil || len(n.Containers) != 0 || n.ID != PredefinedID(name) {
			t.Errorf("%s: %+v", name, n)
		}
	}
	bridge.Address6, bridge.Gateway6 = netip.MustParsePrefix("fd00::64/64"), netip.MustParseAddr("fd00::1")
	if n := PredefinedNetwork("bridge", bridge, testTime, nil); !n.EnableIPv6 || n.IPAM.Config[1].Subnet != "fd00::/64" || n.IPAM.Config[1].Gateway != "fd00::1" {
		t.Errorf("%+v", n.IPAM)
	}
}

func TestPredefinedIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range network.Predefined() {
		id := PredefinedID(name)
		if len(id) != 64 || seen[id] {
			t.Errorf("%s: %s", name, id)
		}
		seen[id] = true
	}
	if PredefinedID("front") != "" {
		t.Error("a network of somebody's has an ID from its name")
	}
}

func TestVolume(t *testing.T) {
	sameShape(t, "volume.json", Volume(volume.Volume{Name: "tardis", Created: testTime}, "/v/tardis"))
	if v := Volume(volume.Volume{Labels: map[string]string{"a": "b"}}, ""); v.Labels["a"] != "b" {
		t.Error(v)
	}
}

var testProgram = Program{Version: "1.2.3", GoVersion: "go1.26", OS: "linux", Arch: "arm64", Kernel: "6.1"}

func TestVersion(t *testing.T) { sameShape(t, "version.json", Versions(testProgram)) }

func TestInfo(t *testing.T) {
	sameShape(t, "info.json", HostInfo(testProgram, Host{
		Root: "/root", Name: "node5", OperatingSystem: "Debian", OSVersion: "12", Machine: "aarch64", CPUs: 4, Memory: 2095882240, Backing: "extfs",
		Time: "2020-01-01T00:00:00Z", Running: 3, Paused: 1, Stopped: 10, Images: 508, CgroupDriver: "systemd", CgroupVersion: "2",
		Controllers: map[string]bool{"memory": true, "cpuset": true}, HTTPProxy: "http://p", HTTPSProxy: "https://p", NoProxy: "n",
		LogDrivers: []string{"json-file", "none"}, Warnings: []string{"WARNING: w"},
	}))
}

func TestSummary(t *testing.T) {
	s := Summarize(running(), testPlaces(), time.Date(2016, 6, 7, 20, 36, 15, 0, time.UTC))
	sameShape(t, "summary.json", s)
	if strings.Join(s.NetworkNames, " ") != "front back" || s.Platform != "linux" {
		t.Errorf("%v %s", s.NetworkNames, s.Platform)
	}
	if s := Summarize(created(), Places{Volume: testPlaces().Volume}, testTime); s.Ports == nil || s.Health.Status != "none" || s.Labels == nil {
		t.Errorf("%+v", s)
	}
}

// TestCommandLine has what docker ps shows of each.
func TestCommandLine(t *testing.T) {
	for want, args := range map[string][]string{
		"":                          nil,
		"sh":                        {"sh"},
		"httpd -f -p 80":            {"httpd", "-f", "-p", "80"},
		`sh -c 'echo "a" 'b''`:      {"sh", "-c", `echo "a" 'b'`},
		"/my program 'an argument'": {"/my program", "an argument"},
	} {
		if got := commandLine(args); got != want {
			t.Errorf("%q: %q", args, got)
		}
	}
}

func TestStatusText(t *testing.T) {
	now := time.Date(2020, 1, 10, 0, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for want, s := range map[string]container.State{
		"Dead":                                {Status: dead},
		"Created":                             {Status: container.Created},
		"Up 5 minutes":                        {Status: container.Running, StartedAt: ago(5 * time.Minute)},
		"Up About an hour (Paused)":           {Status: container.Paused, StartedAt: ago(time.Hour)},
		"Up 3 hours (healthy)":                {Status: container.Running, StartedAt: ago(3 * time.Hour), Health: &container.Health{Status: "healthy"}},
		"Up 3 hours (health: starting)":       {Status: container.Running, StartedAt: ago(3 * time.Hour), Health: &container.Health{Status: "starting"}},
		"Restarting (1) 3 seconds ago":        {Status: container.Restarting, ExitCode: 1, FinishedAt: ago(3 * time.Second)},
		"Exited (0) 8 days ago":               {Status: container.Exited, FinishedAt: ago(8 * 24 * time.Hour)},
		"Exited (137) Less than a second ago": {Status: container.Exited, ExitCode: 137, FinishedAt: now},
	} {
		if got := StatusText(s, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Ports are in Docker's order, and what is published is not exposed only.
func TestPortSummaries(t *testing.T) {
	addr := netip.MustParseAddr
	c := created()
	c.Net.Exposed = []string{"80/tcp", "80/udp", "x/tcp", "70000/tcp", "22/tcp"}
	c.State = container.State{Status: container.Running, Ports: []network.Port{
		{HostIP: addr("::"), HostPort: 8080, ContainerPort: 80, Proto: "tcp"}, {HostIP: addr("0.0.0.0"), HostPort: 8080, ContainerPort: 80, Proto: "tcp"},
	}}
	var got []string
	for _, p := range PortSummaries(c) {
		got = append(got, portKey(p.PrivatePort, p.Type)+"="+p.IP.String())
	}
	if want := "22/tcp=invalid IP 80/udp=invalid IP 80/tcp=0.0.0.0 80/tcp=::"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	c.State.Status = container.Exited
	if len(PortSummaries(c)) != 0 || len(ports(c)) != 0 {
		t.Error("a container that does not run has ports")
	}
}

func TestCountOfContainers(t *testing.T) {
	var h Host
	paused := created()
	paused.State.Status = container.Paused
	h.Count([]*container.Container{created(), running(), paused, running()})
	if h.Running != 2 || h.Paused != 1 || h.Stopped != 1 {
		t.Errorf("%+v", h)
	}
}
