// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"strings"
	"testing"

	"coracle/internal/testutil"
)

const noNamespaces = "echo 0 >/proc/sys/user/max_%_namespaces"

// Every kind of namespace may be one that the host has no more of. What needs none
// of that kind works, the rest says which it is, and what the administrator does.
func TestNoNamespacesOfAKind(t *testing.T) {
	h := newHost(t)
	if r := h.run("$C import $TAR bb"); r.Code != 0 {
		t.Fatal(r.All())
	}
	for _, kind := range []string{"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"} {
		spoil, remedy := strings.Replace(noNamespaces, "%", kind, 1), "sysctl user.max_"+kind+"_namespaces="
		r := h.spoilt(spoil, "$C run --rm --network none bb echo hi; r=$?; $C images -q | wc -l; ls -A .local/share/coracle/containers; exit $r")
		if r.Code != 125 || strings.TrimSpace(r.Out) != "1" || !strings.Contains(r.Err, "no space left on device\nhint: the host allows no ") || !strings.Contains(r.Err, remedy) {
			t.Errorf("%s: %d %s", kind, r.Code, r.All())
		}
		rows, code := doctorOf(t, h.spoilt(spoil, "$C doctor --format json"))
		told := false
		for _, row := range rows {
			told = told || row.State == "no" && strings.Contains(row.Remedy, remedy)
		}
		if needed := kind != "net"; !told || (code == 1) != needed {
			t.Errorf("%s: the doctor's code is %d, %+v", kind, code, rows)
		}
	}
	for kind, flags := range map[string]string{"net": "--network host", "ipc": "--ipc host", "uts": "--uts host", "cgroup": "--cgroupns host"} {
		r := h.spoilt(strings.Replace(noNamespaces, "%", kind, 1), "$C run --rm "+flags+" bb echo hi")
		if kind != "net" {
			r = h.spoilt(strings.Replace(noNamespaces, "%", kind, 1), "$C run --rm --network none "+flags+" bb echo hi")
		}
		if r.Out != "hi\n" || r.Code != 0 {
			t.Errorf("%s: %d %s", kind, r.Code, r.All())
		}
	}
	h.write("c/Dockerfile", "FROM bb\nRUN echo made\n")
	r := h.spoilt(strings.Replace(noNamespaces, "%", "net", 1), "$C build -q c 2>&1; $C build -q --network host c >/dev/null && echo made")
	testutil.Contains(t, r.Out, "create network namespace", "until then: --network host", "\nmade\n")
}

// TestLowLimits has what the shells of shared hosts and the units of services set.
func TestLowLimits(t *testing.T) {
	for _, limit := range []string{"-n 64", "-u 80", "-f 20000", "-v 2000000", "-l 0", "-c 0", "-s 64"} {
		h := newHost(t)
		r := h.spoilt("true", "ulimit "+limit+"\n"+works)
		if r.Out != worked || r.Code != 0 {
			t.Errorf("%s: %d %s", limit, r.Code, r.All())
		}
	}
	h := newHost(t)
	h.run("$C import $TAR bb")
	for _, c := range []struct{ limit, command, why, remedy string }{
		{"-n 20", "run --rm --network none bb true", "too many open files", "ulimit -n (now 20)"},
		{"-n 8", "run --rm --network none bb true", "too many open files", "ulimit -n (now 8)"},
		{"-n 8", "images -a", "", ""},
		{"-n 8", "import $TAR", "too many open files", "ulimit -n (now 8)"},
		{"-f 0", "run --rm --network none bb true", "file too large", "ulimit -f (now 0)"},
		{"-f 100", "import $TAR", "file too large", "ulimit -f (now "},
		{"-f 100", "save -o s bb", "file too large", "ulimit -f (now "},
	} {
		r := h.run("ulimit " + c.limit + "; $C " + c.command)
		if c.why == "" && r.Code != 0 || !strings.Contains(r.Err, c.why) || !strings.Contains(r.Err, c.remedy) || c.why != "" && r.Code == 0 {
			t.Errorf("%s: %s: %d %s", c.limit, c.command, r.Code, r.All())
		}
	}
	// Whoever was too poor to read it has taken nothing for lost.
	if r := h.run("$C run --rm --network none bb echo hi; find .local/share/coracle/storage -name '*damaged*'"); r.Out != "hi\n" {
		t.Error(r.All())
	}
}

// No new privileges cost the ranges of ids, and nothing else.
func TestNoNewPrivileges(t *testing.T) {
	h := newHost(t)
	h.works("unset CORACLE_SINGLE_ID; C=\"setpriv --no-new-privs $C\"")
	rows, code := doctorOf(t, h.run("unset CORACLE_SINGLE_ID; setpriv --no-new-privs $C doctor --format json"))
	if row := rows["subordinate ids"]; code != 0 || !strings.Contains(row.Found+row.Remedy, "no_new_privs") {
		t.Errorf("%d %+v", code, row)
	}
}
