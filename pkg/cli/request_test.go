// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/pkg/cdi"
	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// asked is what a command line of run asks for, and why it is refused, by the
// command line or by the engine.
func asked(t *testing.T, line string) (docker.CreateRequest, error) {
	t.Helper()
	q, err := containercmd.CreateRequest(&command.Env{Stderr: os.Stderr}, given(t, strings.Fields(line)...))
	if err != nil {
		return q, err
	}
	_, _, err = q.Record(state.NewID(), overlay.Details{Config: json.RawMessage(`{"config":{"Cmd":["sh"]}}`)}, docker.World{
		Network: func(ref string) (string, error) { return ref, nil }, CPUs: 8,
		Container: func(ref string) (*container.Container, error) { return nil, &container.NotFoundError{Arg: ref} },
		Hostname:  func() (string, error) { return "host", nil }, KeepsSockets: func() bool { return true },
		CheckSource: func(container.Mount) error { return nil }, CheckLog: func(string, map[string]string) error { return nil },
		CDI:       func() *cdi.Registry { return &cdi.Registry{} },
		CheckDisk: func(string) error { return nil }, Controllers: func() ([]string, bool) { return nil, true },
		Devices: func(d container.Device) ([]container.Device, error) { return []container.Device{d}, nil }, OutOfReach: func(container.Device) bool { return false },
	})
	return q, err
}

func TestCommandLinesThatAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		"--network=none": "", "--network=host": "",
		"--network=bridge --network=none":                                                "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
		"--network=front --network=host":                                                 "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
		"--network=none --network=none":                                                  `network "none" is specified multiple times`,
		"--network=name=n,alias=a --network-alias=b":                                     "conflicting options: cannot specify both --network-alias and per-network alias",
		"--network=name=n,ip=10.0.0.1 --ip=10.0.0.2":                                     "conflicting options: cannot specify both --ip and per-network IPv4 address",
		"--network=name=n,link-local-ip=169.254.0.1 --link-local-ip=169.254.0.2":         "conflicting options: cannot specify both --link-local-ip and per-network link-local IP addresses",
		"--network=name=n,mac-address=02:42:ac:11:00:02 --mac-address=02:42:ac:11:00:02": "conflicting options: cannot specify both --mac-address and per-network MAC address",
		"--ip=fd00::1":      `invalid argument "fd00::1" for "--ip" flag: invalid IPv4 address`,
		"--ip6=10.0.0.1":    `invalid argument "10.0.0.1" for "--ip6" flag: invalid IPv6 address`,
		"--ip=10.0.0.1":     "user specified IP address is supported on user defined networks only",
		"--network-alias=a": "network-scoped aliases are only supported for user-defined networks",
		"--mac-address=x":   "x is not a valid mac address",
		"--network=host --mac-address=02:42:ac:11:00:02": "conflicting options: mac-address and the network mode",
		"--link-local-ip=x":      "IP address is not correctly formatted: x",
		"--network=name=n,foo=b": `invalid argument "name=n,foo=b" for "--network" flag: invalid field key foo`,
		"--pid=host --ipc=none --uts=host --cgroupns=host --userns=host": "",
		"--pid=x": "--pid: invalid PID mode", "--uts=private": "--uts: invalid UTS mode", "--userns=auto": "--userns: invalid USER mode",
		"--cgroupns=x": "--cgroupns: invalid CGROUP mode", "--ipc=x": "invalid IPC mode: x",
		"--pid=container:a": "No such container: a",
		"--ipc=container:a": "No such container: a",
		"--pid=container:":  "--pid: invalid PID mode",
		"--dns=1.1.1.1 --dns-search=. --dns-search=a.b-c.d":                                       "",
		"--shm-size=1g --ulimit=nofile=10:20 --ulimit=core=-1 --oom-score-adj=5 --sysctl=net.b=c": "",
		"--shm-size=0":                        "invalid size: '0'",
		"--oom-score-adj=1001":                "Invalid value 1001, range for oom score adj is [-1000, 1000]",
		"-m 1m":                               "Minimum memory limit allowed is 6MB",
		"-v a:b:c:d":                          "invalid volume specification: 'a:b:c:d'",
		"-v rel":                              "invalid mount path: 'rel' mount path must be absolute",
		"--rm --restart=always":               "conflicting options: cannot specify both --restart and --rm",
		"--restart=maybe":                     "invalid restart policy: unknown policy 'maybe'",
		"--log-driver=none --log-opt=a=b":     "invalid logging opts for driver none",
		"--annotation=x":                      `invalid annotation "x": must be formatted as KEY=VALUE`,
		"--health-retries=-1":                 "--health-retries cannot be negative",
		"--health-cmd=x --no-healthcheck":     "--no-healthcheck conflicts with --health-* options",
		"-a stdin -d":                         "conflicting options: cannot specify both --attach and --detach",
		"--gpus=all":                          `could not select device driver "" with capabilities: [[gpu]]`,
		"--use-api-socket=false":              "",
		"--security-opt=seccomp=/nosuch.json": "opening seccomp profile (/nosuch.json) failed",
		"--device=x:y:z":                      "bad mode specified: z",
	} {
		_, err := asked(t, line)
		wants(t, line, err, want)
	}
}

// What a command line asks for, as it would be sent.
func TestCommandLinesBecomeRequests(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(profile, []byte(`{"x":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"":                                  `"AttachStdout":true,"AttachStderr":true`,
		"-i":                                `"AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"Tty":false,"OpenStdin":true,"StdinOnce":true`,
		"-d -i":                             `"AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":true,"StdinOnce":false`,
		"--entrypoint=/x":                   `"Entrypoint":["/x"]`,
		"-e A=1 --unsetenv=B":               `"Env":["B","A=1"]`,
		"-v /data":                          `"Volumes":{"/data":{}}`,
		"-v ./x:/x:ro -v v:/v":              `"Binds":["` + wd + `/x:/x:ro","v:/v"]`,
		"--mount=type=bind,src=.,dst=/b,ro": `"Mounts":[{"Type":"bind","Source":"` + wd + `","Target":"/b","ReadOnly":true}]`,
		"--tmpfs=/t:size=1m --tmpfs=/u":     `"Tmpfs":{"/t":"size=1m","/u":""}`,
		"-p 127.0.0.1:80:81/udp -P":         `"PortBindings":{"81/udp":[{"HostIp":"127.0.0.1","HostPort":"80"}]}`,
		"--expose 80-81":                    `"ExposedPorts":{"80-81":{}}`,
		"-m 10m --cpus 1.5 --pids-limit 0":  `"NanoCpus":1500000000`,
		"--pids-limit=0":                    `"PidsLimit":0`,
		"--memory-swap=-1 -m 10m":           `"MemorySwap":-1`,
		"--network=name=b,ip=10.0.0.9 --network=a": `"b":{"IPAMConfig":{"IPv4Address":"10.0.0.9"}`,
		"--security-opt=seccomp=" + profile:        `"SecurityOpt":["seccomp={\"x\":1}"]`,
		"--security-opt=systempaths=unconfined":    `"MaskedPaths":[],"ReadonlyPaths":[]`,
		"--restart=on-failure:3":                   `"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3}`,
		"--no-healthcheck":                         `"Healthcheck":{"Test":["NONE"]}`,
		"--health-cmd=x --health-interval=3s":      `"Healthcheck":{"Test":["CMD-SHELL","x"],"Interval":3000000000}`,
		"--init --umask=027 --stop-timeout=0":      `"StopTimeout":0`,
		"--device=/dev/null:/dev/x:r":              `"Devices":[{"PathOnHost":"/dev/null","PathInContainer":"/dev/x","CgroupPermissions":"r"}]`,
		"--log-opt=max-size=1m":                    `"LogConfig":{"Type":"","Config":{"max-size":"1m"}}`,
		"--device-read-bps=/dev/sda:1k":            `"BlkioDeviceReadBps":[{"Path":"/dev/sda","Rate":1024}]`,
	} {
		q, err := asked(t, line)
		data, jerr := json.Marshal(q)
		if err != nil || jerr != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s: %v %v\n%s\nwithout %s", line, err, jerr, data, want)
		}
	}
}
