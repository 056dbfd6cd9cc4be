// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/blkiodev"
	moby "github.com/moby/moby/api/types/container"
	mounts "github.com/moby/moby/api/types/mount"

	"coracle/pkg/docker"
)

// ran is a container of nothing but a name and an image.
func ran(name string, change func(c *moby.Config, h *moby.HostConfig)) Running {
	conf, host := &docker.Config{}, &docker.HostConfig{}
	conf.Image, conf.Hostname, host.ShmSize = "busybox", "0123456789ab", 64<<20
	if change != nil {
		change(&conf.Config, &host.HostConfig)
	}
	return Running{Container: &docker.Container{ID: "0123456789abcdef", Name: "/" + name, Config: conf, HostConfig: host}}
}

// generated is what is written of containers, and what is named.
func generated(t *testing.T, o Options, list ...Running) string {
	t.Helper()
	p, err := Containers(list)
	if err != nil {
		t.Fatal(err)
	}
	o.What = "container"
	for _, c := range list {
		o.Together = append(o.Together, c.Name[1:])
	}
	r, err := Project(p, o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := r.Write(&b, "x"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// unasked are the fields of a container that are no wish of somebody's for what runs
// in it, or that the answer about it has elsewhere.
func unasked() []string {
	return []string{
		"AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce", "ArgsEscaped", "OnBuild", "Shell", "NetworkDisabled", // of the program that asked
		"ExposedPorts", "PortBindings", "PublishAllPorts", // of package docker's own types
		"Binds", "Volumes", "VolumesFrom", // Mounts of the answer
		"ContainerIDFile", "ConsoleSize", "AutoRemove", "VolumeDriver", "Runtime", "StorageOpt", "MaskedPaths", "ReadonlyPaths",
		"Cgroup", "Isolation", "CPUCount", "CPUPercent", "IOMaximumIOps", "IOMaximumBandwidth", "CPURealtimePeriod", "CPURealtimeRuntime", "DeviceCgroupRules", // coracle refuses them
		"MemorySwappiness", "CpusetMems", "BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps",
	}
}

// wishes say something for each field of a container that is one.
func wishes() map[string]func(*moby.Config, *moby.HostConfig) {
	yes, seconds, n, mask := true, 90, int64(5), uint32(0o77)
	return map[string]func(*moby.Config, *moby.HostConfig){
		"Hostname": func(c *moby.Config, _ *moby.HostConfig) { c.Hostname = "h" }, "Domainname": func(c *moby.Config, _ *moby.HostConfig) { c.Domainname = "d" },
		"User": func(c *moby.Config, _ *moby.HostConfig) { c.User = "7" }, "Tty": func(c *moby.Config, _ *moby.HostConfig) { c.Tty = true },
		"OpenStdin": func(c *moby.Config, _ *moby.HostConfig) { c.OpenStdin = true }, "Env": func(c *moby.Config, _ *moby.HostConfig) { c.Env = []string{"A=b"} },
		"Cmd": func(c *moby.Config, _ *moby.HostConfig) { c.Cmd = []string{"x"} }, "Image": func(c *moby.Config, _ *moby.HostConfig) { c.Image = "y" },
		"Entrypoint": func(c *moby.Config, _ *moby.HostConfig) { c.Entrypoint = []string{"x"} }, "WorkingDir": func(c *moby.Config, _ *moby.HostConfig) { c.WorkingDir = "/w" },
		"Labels": func(c *moby.Config, _ *moby.HostConfig) { c.Labels = map[string]string{"a": "b"} }, "StopSignal": func(c *moby.Config, _ *moby.HostConfig) { c.StopSignal = "SIGINT" },
		"StopTimeout": func(c *moby.Config, _ *moby.HostConfig) { c.StopTimeout = &seconds },
		"Healthcheck": func(c *moby.Config, _ *moby.HostConfig) {
			c.Healthcheck = &moby.HealthConfig{Test: []string{"CMD", "x"}}
		},
		"Annotations": func(_ *moby.Config, h *moby.HostConfig) { h.Annotations = map[string]string{"a": "b"} }, "Init": func(_ *moby.Config, h *moby.HostConfig) { h.Init = &yes },
		"Umask": func(_ *moby.Config, h *moby.HostConfig) { h.Umask = &mask }, "CapAdd": func(_ *moby.Config, h *moby.HostConfig) { h.CapAdd = []string{"CAP_X"} },
		"CapDrop": func(_ *moby.Config, h *moby.HostConfig) { h.CapDrop = []string{"ALL"} }, "Privileged": func(_ *moby.Config, h *moby.HostConfig) { h.Privileged = true },
		"ReadonlyRootfs": func(_ *moby.Config, h *moby.HostConfig) { h.ReadonlyRootfs = true }, "SecurityOpt": func(_ *moby.Config, h *moby.HostConfig) { h.SecurityOpt = []string{"label=disable"} },
		"GroupAdd": func(_ *moby.Config, h *moby.HostConfig) { h.GroupAdd = []string{"5"} }, "Sysctls": func(_ *moby.Config, h *moby.HostConfig) { h.Sysctls = map[string]string{"a.b": "1"} },
		"DNS": func(_ *moby.Config, h *moby.HostConfig) { h.DNS = []netip.Addr{netip.MustParseAddr("1.2.3.4")} }, "DNSOptions": func(_ *moby.Config, h *moby.HostConfig) { h.DNSOptions = []string{"rotate"} },
		"DNSSearch": func(_ *moby.Config, h *moby.HostConfig) { h.DNSSearch = []string{"x.org"} }, "ExtraHosts": func(_ *moby.Config, h *moby.HostConfig) { h.ExtraHosts = []string{"a:1.2.3.4"} },
		"Links": func(_ *moby.Config, h *moby.HostConfig) { h.Links = []string{"a:b"} }, "NetworkMode": func(_ *moby.Config, h *moby.HostConfig) { h.NetworkMode = "host" },
		"IpcMode": func(_ *moby.Config, h *moby.HostConfig) { h.IpcMode = "host" }, "PidMode": func(_ *moby.Config, h *moby.HostConfig) { h.PidMode = "host" },
		"UTSMode": func(_ *moby.Config, h *moby.HostConfig) { h.UTSMode = "host" }, "UsernsMode": func(_ *moby.Config, h *moby.HostConfig) { h.UsernsMode = "keep-id" },
		"CgroupnsMode": func(_ *moby.Config, h *moby.HostConfig) { h.CgroupnsMode = "host" }, "RestartPolicy": func(_ *moby.Config, h *moby.HostConfig) { h.RestartPolicy.Name = "always" },
		"LogConfig": func(_ *moby.Config, h *moby.HostConfig) { h.LogConfig.Type = "journald" }, "OomScoreAdj": func(_ *moby.Config, h *moby.HostConfig) { h.OomScoreAdj = 5 },
		"ShmSize": func(_ *moby.Config, h *moby.HostConfig) { h.ShmSize = 1 << 20 }, "Tmpfs": func(_ *moby.Config, h *moby.HostConfig) { h.Tmpfs = map[string]string{"/t": ""} },
		"Mounts": func(_ *moby.Config, h *moby.HostConfig) {
			h.Mounts = []mounts.Mount{{Type: "tmpfs", Target: "/t", TmpfsOptions: &mounts.TmpfsOptions{SizeBytes: 1 << 20}}}
		},
		"CPUShares": func(_ *moby.Config, h *moby.HostConfig) { h.CPUShares = 5 }, "Memory": func(_ *moby.Config, h *moby.HostConfig) { h.Memory = 5 }, "NanoCPUs": func(_ *moby.Config, h *moby.HostConfig) { h.NanoCPUs = 5e8 },
		"CgroupParent": func(_ *moby.Config, h *moby.HostConfig) { h.CgroupParent = "x" }, "BlkioWeight": func(_ *moby.Config, h *moby.HostConfig) { h.BlkioWeight = 5 },
		"CPUPeriod": func(_ *moby.Config, h *moby.HostConfig) { h.CPUPeriod = 5000 }, "CPUQuota": func(_ *moby.Config, h *moby.HostConfig) { h.CPUQuota = 5000 },
		"CpusetCpus": func(_ *moby.Config, h *moby.HostConfig) { h.CpusetCpus = "0" }, "Devices": func(_ *moby.Config, h *moby.HostConfig) { h.Devices = []moby.DeviceMapping{{PathOnHost: "/dev/x"}} },
		"DeviceRequests": func(_ *moby.Config, h *moby.HostConfig) {
			h.DeviceRequests = []moby.DeviceRequest{{Count: -1, Capabilities: [][]string{{"gpu"}}}}
		},
		"MemoryReservation": func(_ *moby.Config, h *moby.HostConfig) { h.MemoryReservation = 5 }, "MemorySwap": func(_ *moby.Config, h *moby.HostConfig) { h.MemorySwap = 5 },
		"OomKillDisable": func(_ *moby.Config, h *moby.HostConfig) { h.OomKillDisable = &yes }, "PidsLimit": func(_ *moby.Config, h *moby.HostConfig) { h.PidsLimit = &n },
		"Ulimits": func(_ *moby.Config, h *moby.HostConfig) {
			h.Ulimits = []*units.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}}
		},
		"BlkioDeviceReadBps": func(_ *moby.Config, h *moby.HostConfig) { h.BlkioDeviceReadBps = []*blkiodev.ThrottleDevice{{}} },
	}
}

// TestNoWishIsLost: whatever a container was asked to be is in what is written, or is
// named; of a field that nobody has thought of, the test says so.
func TestNoWishIsLost(t *testing.T) {
	plain := generated(t, Options{Kind: Pod}, ran("a", nil))
	for _, of := range []reflect.Type{reflect.TypeFor[moby.Config](), reflect.TypeFor[moby.HostConfig](), reflect.TypeFor[moby.Resources]()} {
		for i := range of.NumField() {
			name := of.Field(i).Name
			if _, there := wishes()[name]; !there && !slices.Contains(unasked(), name) && name != "Resources" {
				t.Errorf("what becomes of %s?", name)
			}
		}
	}
	for name, wish := range wishes() {
		if got := generated(t, Options{Kind: Pod}, ran("a", wish)); got == plain {
			t.Errorf("%s is lost:\n%s", name, got)
		}
	}
}

// TestPods: of which form what containers are is written, and what their image says
// is left to it.
func TestPods(t *testing.T) {
	file := filepath.Join(t.TempDir(), "site.conf")
	if err := os.WriteFile(file, []byte("listen 80;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	web := ran("web", func(c *moby.Config, h *moby.HostConfig) {
		c.Env, c.Cmd, c.WorkingDir, c.User = []string{"PATH=/bin", "A=1", "B=2"}, []string{"serve"}, "/srv", "33"
		c.Labels = map[string]string{"image": "own", "mine": "yes"}
		c.Healthcheck = &moby.HealthConfig{Test: []string{"CMD", "ok"}, Interval: 5 * time.Second}
		h.RestartPolicy.Name = "unless-stopped"
	})
	web.Image = &docker.Config{}
	web.Image.Env, web.Image.Cmd, web.Image.WorkingDir, web.Image.User, web.Image.Labels = []string{"PATH=/bin", "A=0"}, []string{"serve"}, "/srv", "33", map[string]string{"image": "own"}
	web.HostConfig.PortBindings = docker.PortMap{"80/tcp": {{HostIP: "0.0.0.0", HostPort: "8080"}, {HostIP: "::", HostPort: "8080"}}}
	web.Config.ExposedPorts = map[string]struct{}{"80/tcp": {}, "53/udp": {}}
	web.Mounts = []moby.MountPoint{
		{Type: "volume", Name: "data", Source: "/x", Destination: "/d", RW: true}, {Type: "volume", Name: strings.Repeat("0a", 32), Destination: "/anon", RW: true},
		{Type: "bind", Source: file, Destination: "/etc/site.conf"}, {Type: "bind", Source: filepath.Dir(file), Destination: "/all", RW: true},
	}
	side := ran("side", func(_ *moby.Config, h *moby.HostConfig) {
		h.NetworkMode, h.PidMode, h.IpcMode = "container:web-id", "container:web", "container:web-id"
	})
	web.ID, side.ID, web.Config.Hostname = "web-id", "side-id", "1st"
	two := 2
	for _, c := range []struct {
		o    Options
		want []string
		not  []string
	}{
		{Options{Kind: Pod, ReadFile: readFile}, []string{
			"kind: ConfigMap", "name: web-files", "kind: PersistentVolumeClaim", "name: data", "kind: Pod", "name: web", `mine: "yes"`, "hostname: 1st", "shareProcessNamespace: true", "containers:", "name: web", "env:", "name: A",
			"name: B", "containerPort: 80", "containerPort: 53", "protocol: UDP", "readinessProbe:", "periodSeconds: 5", "timeoutSeconds: 30", "failureThreshold: 3",
			"mountPath: /all", "mountPath: /anon", "mountPath: /d", "mountPath: /etc/site.conf", "name: side", "volumes:",
		}, []string{"PATH", "serve", "/srv", "runAsUser", "image: own", "restartPolicy", "kind: Service", "not carried over"}},
		{Options{Kind: Deployment, Replicas: &two, Services: true}, []string{"ReadWriteMany", "kind: Service", "type: NodePort", "port: 80", "targetPort: 80", "kind: Deployment", "replicas: 2"}, []string{"port: 8080"}},
		{Options{Kind: DaemonSet}, []string{"ReadWriteMany", "kind: DaemonSet"}, []string{"replicas"}},
		{Options{Kind: Job}, []string{"kind: Job", "backoffLimit: 0", "restartPolicy: Never"}, []string{"selector"}},
	} {
		got := generated(t, c.o, web, side)
		if !says(got, c.want...) {
			t.Errorf("not %q:\n%s", c.want, got)
		}
		for _, not := range c.not {
			if strings.Contains(got, not) {
				t.Errorf("there is %s:\n%s", not, got)
			}
		}
	}
	if _, err := Containers([]Running{web, web}); err == nil || err.Error() != "container web is named twice" {
		t.Error(err)
	}
}

// TestEndsOfPods: what a pod does when its program ends is what the container does.
func TestEndsOfPods(t *testing.T) {
	for policy, want := range map[string]string{"": "Never", "no": "Never", "on-failure": "OnFailure", "always": "", "unless-stopped": ""} {
		got := generated(t, Options{Kind: Pod}, ran("a", func(_ *moby.Config, h *moby.HostConfig) { h.RestartPolicy.Name = moby.RestartPolicyMode(policy) }))
		if has := strings.Contains(got, "restartPolicy: "+want+"\n"); has != (want != "") || strings.Contains(got, "restartPolicy") != has {
			t.Errorf("%s: %s", policy, got)
		}
	}
}
