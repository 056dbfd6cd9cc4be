// SPDX-License-Identifier: Apache-2.0

package flags

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestKinds: what the values of each flag are, the word for them in the help, and
// what is said of others. The words are those of docker/cli 29.
func TestKinds(t *testing.T) {
	for _, c := range []struct {
		flags string // names of one kind
		word  string
		right []string
		wrong map[string]string // value: what is said
	}{
		{
			"memory memory-reservation shm-size reserved-space", "bytes",
			[]string{"0", "64m", "1.5g", "1GB", "2KiB", "100"},
			map[string]string{"": "invalid size: ''", "much": "invalid size: 'much'", "1x": "invalid suffix: 'x'", "-1": "invalid size: '-1'"},
		},
		{"memory-swap", "bytes", []string{"-1", "64m"}, map[string]string{"-2": "invalid size: '-2'", "x": "invalid size: 'x'"}},
		{"cpus", "decimal", []string{"1", "0.5", "1.25"}, map[string]string{"many": "failed to parse many as a rational number", "0.0000000001": "value is too precise"}},
		{
			"blkio-weight", "uint16", []string{"0", "500"},
			map[string]string{
				"70000": `strconv.ParseUint: parsing "70000": value out of range`,
				"-1":    `strconv.ParseUint: parsing "-1": invalid syntax`,
			},
		},
		{"cpu-rt-period cpu-count", "int", []string{"1", "-1", "0x1f"}, map[string]string{"1.5": `strconv.ParseInt: parsing "1.5": invalid syntax`}},
		{"io-maxiops", "uint", []string{"1"}, map[string]string{"-1": `strconv.ParseUint: parsing "-1": invalid syntax`}},
		{"blkio-weight-device", "list", []string{"/dev/sda:300", "/dev/sda:0"}, map[string]string{"/dev/sda": "bad format: /dev/sda", "/dev/sda:5": "invalid weight for device: /dev/sda:5"}},
		{"device-read-bps device-write-bps", "list", []string{"/dev/sda:1mb", "/dev/sda:1024"}, map[string]string{"/dev/sda": "bad format: /dev/sda"}},
		{"device-read-iops device-write-iops", "list", []string{"/dev/sda:1000"}, map[string]string{"/dev/sda": "bad format: /dev/sda", "sda:1": "bad format for device path: sda:1"}},
		{
			"device-cgroup-rule", "list", []string{"c 1:3 rwm", "a *:* r", "b 8:* w"},
			map[string]string{
				"c 1:3":     "invalid device cgroup format 'c 1:3'",
				"d 1:3 r":   "invalid device cgroup format 'd 1:3 r'",
				"c 1:3 x":   "invalid device cgroup format 'c 1:3 x'",
				"c 1:3 r\n": "invalid device cgroup format 'c 1:3 r\n'",
			},
		},
		{"filter", "filter", []string{"name=x", "label=a=b", ""}, map[string]string{"name": "bad format of filter (expected name=value)"}},
		{
			"gpus", "gpu-request", []string{"all", "2", "count=1,capabilities=gpu", "device=0", `"device=0,2"`, "driver=x,options=y"},
			map[string]string{
				"some":    `invalid count (some): value must be either "all" or an integer: invalid syntax`,
				"count=x": `invalid count (x): value must be either "all" or an integer: invalid syntax`,
				"who=me":  "unexpected key 'who' in 'who=me'",
				`"`:       `parse error on line 1, column 2: extraneous or missing " in quoted-field`,
				"":        "EOF",
			},
		},
		{
			"umask", "umask", []string{"", "022", "0777", "7"},
			map[string]string{
				"1000": `invalid umask "1000": must be an octal number between 0000 and 0777`,
				"8":    `invalid umask "8": must be an octal number between 0000 and 0777`,
			},
		},
		{"ulimit", "ulimit", []string{"nofile=1024", "nofile=1024:2048"}, map[string]string{"nofile": "invalid ulimit argument: nofile", "no=1": "invalid ulimit type: no"}},
		{"tag", "list", []string{"a", "a:b", "host:5000/a/b:c"}, map[string]string{"A:b": "invalid reference format", "": "invalid reference format", "a@sha256:" + strings.Repeat("0", 64): "invalid reference format"}},
		{"attach", "list", []string{"stdin", "STDOUT", "stderr"}, map[string]string{"stdlog": "valid streams are STDIN, STDOUT and STDERR"}},
		{"ip ip6", "ip", []string{"", "10.0.0.1", " ::1 "}, map[string]string{"10.0.0": `failed to parse IP: "10.0.0"`}},
		{"gateway", "ipSlice", []string{"10.0.0.1", "10.0.0.1,::1"}, map[string]string{"10.0.0.1,x": "invalid string being converted to IP address: x"}},
		{"ip-range", "ipNetSlice", []string{"10.0.0.0/8", "fd00::/8"}, map[string]string{"10.0.0.0": "invalid string being converted to CIDR: 10.0.0.0"}},
		{"add-host", "list", []string{"db:10.0.0.1", "db=::1", "host:host-gateway"}, map[string]string{"db": `bad format for add-host: "db"`, "db:x": `invalid IP address in add-host: "x"`}},
		{"dns", "list", []string{"8.8.8.8", "::1"}, map[string]string{"dns.example": "IP address is not correctly formatted: dns.example"}},
		{"dns-search", "list", []string{".", "example.com", " a.b "}, map[string]string{"a..b": "a..b is not a valid domain", "a b": "a b is not a valid domain"}},
		{"link", "list", []string{"db", "db:alias"}, map[string]string{"": "empty string specified for links", "a:b:c": "bad format for links: a:b:c"}},
		{"network", "network", []string{"anything"}, nil},
		{"env build-arg", "list", []string{"A", "A=", "A=B=C"}, map[string]string{"": "invalid environment variable: ", "=B": "invalid environment variable: =B"}},
		{
			"label", "list", []string{"a", "a=b", "a=b c", " a=b"},
			map[string]string{"": "invalid label '': empty name", "=b": "invalid label '=b': empty name", "a b=c": "label 'a b' contains whitespaces", "  =x": "invalid label '  =x': empty name"},
		},
		{"sysctl", "map", []string{"net.ipv4.ip_forward=1", "kernel.shmmax=1"}, map[string]string{"net.ipv4.ip_forward": "sysctl 'net.ipv4.ip_forward' is not allowed", "vm.swappiness=1": "sysctl 'vm.swappiness=1' is not allowed"}},
		{"annotation opt aux-address", "map", []string{"a", "a=b"}, nil},
		{"mount", "mount", []string{"type=bind,src=/a,dst=/b", "type=tmpfs,dst=/x"}, map[string]string{"dst": "invalid field 'dst' must be a key=value pair"}},
		{"name", "string", []string{"", "anything at all"}, nil},
	} {
		for name := range strings.FieldsSeq(c.flags) {
			k := kindOf(Text(name, nil, ""))
			if k.word != c.word {
				t.Errorf("--%s takes %s, want %s", name, k.word, c.word)
			}
			check := k.check
			if check == nil {
				check = func(string) error { return nil }
			}
			for _, v := range c.right {
				if err := check(v); err != nil {
					t.Errorf("--%s=%q: %v", name, v, err)
				}
			}
			for v, want := range c.wrong {
				if err := check(v); err == nil || want != "" && err.Error() != want {
					t.Errorf("--%s=%q: %v, want %q", name, v, err, want)
				}
			}
		}
	}
}

// TestKindsByType: flags of no name that matters have the kind of their Go type, also
// behind what makes them quick or refused.
func TestKindsByType(t *testing.T) {
	for _, c := range []struct {
		f           cli.Flag
		word, wrong string
	}{
		{Bool("x", nil, ""), "", "maybe"},
		{&cli.IntFlag{Name: "x"}, "int", "1.5"},
		{&cli.Int64Flag{Name: "x"}, "int", "many"},
		{&cli.DurationFlag{Name: "x"}, "duration", "3"},
		{List("x", nil, ""), "list", ""},
		{Text("x", nil, ""), "string", ""},
		{Text("memory", nil, ""), "bytes", "x"},
	} {
		for _, f := range append(quicken([]cli.Flag{c.f}), c.f, Absent("why", c.f)[0], quicken(Absent("why", c.f))[0]) {
			k := kindOf(f)
			if k.word != c.word || (c.wrong != "") != (k.check != nil) || c.wrong != "" && k.check(c.wrong) == nil {
				t.Errorf("%T: %q", f, k.word)
			}
			if IsBool(f) != (c.word == "") {
				t.Errorf("%T is a switch: %v", f, IsBool(f))
			}
			if got := Names(f)[0]; got != c.f.Names()[0] {
				t.Errorf("%T is called %s", f, got)
			}
		}
	}
	if got := Names(Text("memory", Short("m"), "")); strings.Join(got, " ") != "memory m" {
		t.Errorf("%q", got)
	}
	if got := absence(quicken(Absent("why", Bool("x", nil, "")))[0]); got != "why" {
		t.Errorf("is refused for %q", got)
	}
	if got := absence(Bool("x", nil, "")); got != "" {
		t.Errorf("is refused for %q", got)
	}
}

// TestPlatform: the environment's word is the default.
func TestPlatform(t *testing.T) {
	t.Setenv("DOCKER_DEFAULT_PLATFORM", "linux/arm64")
	app := &cli.App{Name: "x", Flags: []cli.Flag{Platform("Set platform")}, Action: func(c *cli.Context) error {
		if got := c.String("platform"); got != "linux/arm64" {
			t.Errorf("%q", got)
		}
		return nil
	}}
	if err := app.Run([]string{"x"}); err != nil {
		t.Error(err)
	}
}
