// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"strings"
	"syscall"
	"testing"

	"coracle/internal/testutil"
	"coracle/internal/testutil/userns"
	"coracle/pkg/doctor"
)

// serves is a script of a container whose port is reached from the host.
const serves = `$C run -d --name web -p 127.0.0.1:18765:80 bb sh -c 'mkdir /w; echo served >/w/index.html; exec httpd -f -p 80 -h /w' >/dev/null &&
	until busybox wget -qO- http://127.0.0.1:18765/ 2>/dev/null; do $C ps -q | grep -q . || exit 1; done; $C rm -f web >/dev/null`

// inNetwork is the script on a spoilt host with a network of its own.
func (h *host) inNetwork(spoil, script string) testutil.Result {
	h.t.Helper()
	r := h.finish(userns.Command(syscall.CLONE_NEWNET, "sh", "-c", "(set -e; busybox ip link set lo up; "+spoil+") || exit 77\n"+script))
	if r.Code == 77 {
		h.t.Fatalf("spoil host: %s", r.All())
	}
	return r
}

// TestNameServersOfHost has all that /etc/resolv.conf may be. A container has a name
// server of its own in any case, and with the host's network what there is.
func TestNameServersOfHost(t *testing.T) {
	for make, servers := range map[string]string{
		"true":                                       "",
		": >e/resolv.conf":                           "",
		"mkdir e/resolv.conf":                        "",
		"ln -s resolv.conf e/resolv.conf":            "",
		"ln -s nowhere e/resolv.conf":                "",
		"echo nameserver 127.0.0.53 >e/resolv.conf":  "nameserver 127.0.0.53\n",
		"head -c 100000 /dev/urandom >e/resolv.conf": "",
	} {
		h := newHost(t)
		h.write("c/Dockerfile", "FROM bb\nRUN test -e /etc/resolv.conf && nslookup nowhere.invalid 127.0.0.1 >/dev/null || true\n")
		spoil := "mkdir e; cp /etc/passwd /etc/group e/; " + make + "; mount --bind e /etc"
		r := h.inNetwork(spoil, `$C import $TAR bb >/dev/null; $C run --rm bb cat /etc/resolv.conf; $C run --rm --network host bb cat /etc/resolv.conf
			$C run --rm --network none bb cat /etc/resolv.conf; $C build -q c >/dev/null && echo built`)
		if want := "nameserver 10.0.2.3\n" + servers + "built\n"; r.Out != want || r.Err != "" || r.Code != 0 {
			t.Errorf("%s: %d %s", make, r.Code, r.All())
		}
		rows, code := doctorOf(t, h.inNetwork(spoil, "$C doctor --format json"))
		if row := rows["name servers"]; code != 0 || (row.State == doctor.Yes) != (servers != "") || row.State != doctor.Yes && (row.Instead == "" || row.Remedy == "") {
			t.Errorf("%s: %d %+v", make, code, row)
		}
	}
}

// Without IPv6 there is IPv4, in containers as outside.
func TestNoIPv6(t *testing.T) {
	h := newHost(t)
	const off = "for i in all default; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done"
	r := h.inNetwork(off, "$C import $TAR bb >/dev/null; "+serves+"; $C run --rm bb ip -4 -o addr show eth0 | grep -c 10.0.2.; $C network create own >/dev/null && $C run --rm --network own bb echo own")
	if r.Out != "served\n1\nown\n" || r.Err != "" || r.Code != 0 {
		t.Errorf("%d %s", r.Code, r.All())
	}
	rows, code := doctorOf(t, h.inNetwork(off, "$C doctor --format json"))
	if row := rows["IPv6"]; code != 0 || row.State != doctor.Partly || row.Instead != "IPv4" || !strings.Contains(row.Remedy, "disable_ipv6=0") {
		t.Errorf("%d %+v", code, row)
	}
}

// TestNoTun has no TAP devices: another way is taken, and nothing is said.
func TestNoTun(t *testing.T) {
	h := newHost(t)
	spoil := "mkdir n; [ ! -d /dev/net ] || mount --bind n /dev/net"
	r := h.inNetwork(spoil, "$C import $TAR bb >/dev/null; "+serves+"; $C run --rm bb ping -c 1 -W 5 10.0.2.2 | grep -c ' 0% packet loss'")
	if r.Out != "served\n1\n" || r.Err != "" || r.Code != 0 {
		t.Errorf("%d %s", r.Code, r.All())
	}
}

// The host's network, memory and processes, as MPI wants them: what one container puts
// into the shared memory another finds, and so does the host; variables come by name.
func TestNamespacesOfTheHost(t *testing.T) {
	h := newHost(t)
	const all = "--network host --ipc host --pid host --uts host"
	r := h.run(`$C import $TAR bb >/dev/null; name=/dev/shm/coracle-test-$$; trap 'rm -f $name' EXIT; export PMI_RANK=1
		for n in net ipc uts; do [ "$($C run --rm ` + all + ` bb readlink /proc/self/ns/$n)" = "$(readlink /proc/self/ns/$n)" ] && echo $n; done
		$C run -d --name one ` + all + ` bb sh -c "until [ -s $name ]; do :; done; cat $name; echo one >>$name" >/dev/null
		$C run --rm ` + all + ` -e PMI_RANK -e PMI_SIZE bb sh -c "echo two \$PMI_RANK \${PMI_SIZE-none} >$name; [ -e /proc/$$/status ] && echo seen"
		$C wait one; $C logs one; cat $name; $C rm one >/dev/null`)
	if want := "net\nipc\nuts\nseen\n0\ntwo 1 none\ntwo 1 none\none\n"; r.Out != want {
		t.Errorf("want %q: %s", want, r.All())
	}
}
