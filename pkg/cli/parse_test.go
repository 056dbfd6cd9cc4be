// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"coracle/pkg/cli/flags"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/slirp"
)

// wants compares an error with the words it should have; none for none.
func wants(t *testing.T, what string, err error, words string) {
	t.Helper()
	if words == "" && err != nil || words != "" && (err == nil || !strings.Contains(err.Error(), words)) {
		t.Errorf("%s: %v; want %q", what, err, words)
	}
}

// given is the context of a run with these flags.
func given(t *testing.T, args ...string) (c *cli.Context) {
	t.Helper()
	app := app((&env{program: "coracle"}))
	flags.FindCommand(app.Commands, "run").Action = func(got *cli.Context) error { c = got; return nil }
	line, _, err := flags.Arrange(app, append(append([]string{"run"}, args...), "image"))
	if err == nil {
		err = app.Run(append([]string{"coracle"}, line...))
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseNetwork(t *testing.T) {
	for v, want := range map[string]netPlace{
		"front":                  {name: "front"},
		"container:x":            {name: "container:x"},
		"name=front":             {name: "front"},
		"name=n,alias=a,Alias=b": {name: "n", aliases: []string{"a", "b"}},
		"name=n,ip=10.0.0.5,ip6=fd00::5,mac-address=02:42:ac:11:00:02,link-local-ip=169.254.0.1,driver-opt=a=b,gw-priority=3": {
			name: "n", ip: netip.MustParseAddr("10.0.0.5"), ip6: netip.MustParseAddr("fd00::5"), mac: slirp.MAC{2, 0x42, 0xac, 0x11, 0, 2},
			linkLocal: []string{"169.254.0.1"}, driverOpts: []string{"a=b"}, gwPriority: 3},
	} {
		if got, err := parsePlace(v); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", v, got, err, want)
		}
	}
	for v, want := range map[string]string{
		"alias=a": "network name/id is not specified", "name=n,foo=b": "invalid field key foo", "name=n,foo": "invalid field foo",
		"name=n,ip=x": "invalid IP address: x", "name=n,ip=fd00::5": "invalid IPv4 address: fd00::5", "name=n,ip6=10.0.0.5": "invalid IPv6 address: 10.0.0.5",
		"name=n,mac-address=x": "x is not a valid mac address", "name=n,mac-address=01:00:5e:00:00:01": "is not a valid mac address", "name=n,mac-address=0:0:0:0:0:0": "is not a valid mac address",
		"name=n,driver-opt=x":  "invalid key value pair format in driver options",
		"name=n,gw-priority=x": "invalid gw-priority",
	} {
		_, err := parsePlace(v)
		wants(t, v, err, want)
	}
}

func TestNetworkConflicts(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
	}{
		{"--network=none", ""},
		{"--network=host", ""},
		{"--network=bridge --network=none", "conflicting options: cannot attach both user-defined and non-user-defined network-modes"},
		{"--network=front --network=host", "conflicting options: cannot attach both user-defined and non-user-defined network-modes"},
		{"--network=none --network=none", `network "none" is specified multiple times`},
		{"--network=name=n,alias=a --network-alias=b", "conflicting options: cannot specify both --network-alias and per-network alias"},
		{"--network=name=n,ip=10.0.0.1 --ip=10.0.0.2", "conflicting options: cannot specify both --ip and per-network IPv4 address"},
		{"--network=name=n,mac-address=02:42:ac:11:00:02 --mac-address=02:42:ac:11:00:02", "conflicting options: cannot specify both --mac-address and per-network MAC address"},
		{"--ip=fd00::1", `invalid argument "fd00::1" for "--ip" flag: invalid IPv4 address`},
		{"--ip6=10.0.0.1", `invalid argument "10.0.0.1" for "--ip6" flag: invalid IPv6 address`},
		{"--ip=10.0.0.1", "user specified IP address is supported on user defined networks only"},
		{"--network-alias=a", "network-scoped aliases are only supported for user-defined networks"},
		{"--mac-address=x", "x is not a valid mac address"},
		{"--network=host --mac-address=02:42:ac:11:00:02", "conflicting options: mac-address and the network mode"},
		{"--link-local-ip=x", "IP address is not correctly formatted: x"},
	} {
		e := &env{}
		err := setNetworks(e, given(t, strings.Fields(tt.args)...), &container.Net{})
		if tt.want != "" || err != nil {
			wants(t, tt.args, err, tt.want)
		}
	}
}

func TestNamespacesAndDNS(t *testing.T) {
	for args, want := range map[string]string{
		"--pid=host --ipc=none --uts=host --cgroupns=host --userns=host": "",
		"--pid=x": "--pid: invalid PID mode", "--uts=private": "--uts: invalid UTS mode", "--userns=auto": "--userns: invalid USER mode",
		"--cgroupns=x": "--cgroupns: invalid CGROUP mode", "--ipc=x": "invalid IPC mode: x",
		"--pid=container:a": "--pid container:a is not supported: containers share their network only",
		"--ipc=container:a": "--ipc container:a is not supported",
	} {
		err := setNamespaces((&env{}), given(t, strings.Fields(args)...), &container.Safety{})
		wants(t, args, err, want)
	}
	for args, want := range map[string]string{
		"--dns=1.1.1.1 --dns-search=. --dns-search=a.b-c.d": "",
	} {
		wants(t, args, setNames(given(t, strings.Fields(args)...), &container.Net{}), want)
	}
}

func TestLimitsOfSizeAndNumber(t *testing.T) {
	for args, want := range map[string]string{
		"--shm-size=1g --ulimit=nofile=10:20 --ulimit=core=-1 --oom-score-adj=5 --sysctl=net.b=c": "",
		"--shm-size=0":         "invalid size: '0'",
		"--oom-score-adj=1001": "Invalid value 1001, range for oom score adj is [-1000, 1000]",
	} {
		wants(t, args, setLimits(given(t, strings.Fields(args)...), &container.Record{}), want)
	}
}

func TestParseDetachKeys(t *testing.T) {
	for s, want := range map[string]string{
		"ctrl-p,ctrl-q": "\x10\x11", "a": "a", "ctrl-@,ctrl-[": "\x00\x1b", `ctrl-\,ctrl-],ctrl-^,ctrl-_`: "\x1c\x1d\x1e\x1f", "DEL,x": "\x7fx", "ctrl-a,b": "\x01b",
	} {
		if got, err := parseDetachKeys(s); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v; want %q", s, got, err, want)
		}
	}
	for s, bad := range map[string]string{"ctrl-": "ctrl-", "ctrl-aa": "ctrl-aa", "a,,b": "", "ab": "ab", "ctrl-A": "ctrl-A", "ctrl-1": "ctrl-1"} {
		_, err := parseDetachKeys(s)
		wants(t, s, err, "invalid detach keys ("+s+"): Unknown character: '"+bad+"'")
	}
}

func TestDetachKeysInTheInput(t *testing.T) {
	keys := []byte("\x10\x11")
	for in, want := range map[string]struct {
		out    string
		detach bool
	}{
		"text": {"text", false}, "a\x10\x11b": {"a", true}, "\x10x\x10\x10\x11": {"\x10x\x10", true}, "end\x10": {"end\x10", false}, "\x11\x10": {"\x11\x10", false},
	} {
		for _, size := range []int{1, 100} { // however the bytes arrive
			var out bytes.Buffer
			detach := copyInput(&out, &pieces{[]byte(in), size}, true, keys)
			if out.String() != want.out || detach != want.detach {
				t.Errorf("%q by %d: %q, %v; want %q, %v", in, size, out.String(), detach, want.out, want.detach)
			}
		}
	}
}

// pieces is a reader of so many bytes at a time.
type pieces struct {
	data []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, fmt.Errorf("the end")
	}
	n := copy(b, p.data[:min(p.size, len(p.data))])
	p.data = p.data[n:]
	return n, nil
}

func FuzzParseNetwork(f *testing.F) {
	for _, s := range []string{"front", "name=n,alias=a,ip=10.0.0.1", "a=b", "=", `"name=n`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		p, err := parsePlace(v)
		if err != nil {
			return
		}
		if !isLong(v) && p.name != v || isLong(v) && p.name == "" {
			t.Errorf("%q: %+v", v, p)
		}
	})
}

func FuzzParseDetachKeys(f *testing.F) {
	f.Add("ctrl-p,ctrl-q")
	f.Fuzz(func(t *testing.T, s string) {
		keys, err := parseDetachKeys(s)
		if err == nil && len(keys) != strings.Count(s, ",")+1 {
			t.Errorf("%q: %d keys", s, len(keys))
		}
	})
}

func FuzzCopyInput(f *testing.F) {
	f.Add([]byte("abc\x10\x10\x11x"), 2)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		keys := []byte("\x10\x11")
		var out bytes.Buffer
		detach := copyInput(&out, &pieces{bytes.Clone(in), max(1, size%9)}, true, keys)
		before, _, found := bytes.Cut(in, keys)
		if detach != found || !bytes.Equal(out.Bytes(), before) {
			t.Errorf("%q: %q, %v; want %q, %v", in, out.Bytes(), detach, before, found)
		}
	})
}

func FuzzUlimit(f *testing.F) {
	for _, s := range []string{"nofile=1:2", "core=-1", "nproc=5", "=", "rtprio=a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := units.ParseUlimit(s)
		if err != nil {
			return
		}
		if again, err := units.ParseUlimit(u.String()); err != nil || *again != *u {
			t.Errorf("%q: %v and %v, %v", s, u, again, err)
		}
	})
}
