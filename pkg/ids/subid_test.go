// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFreeSubIDs(t *testing.T) {
	for _, c := range []struct {
		what, subuid, subgid, passwd, group string
		want                                int
	}{
		{what: "nobody has any", want: 100000},
		{what: "after the last", subuid: "a:100000:65536\nb:300000:65536\nc:165536:65536\n", want: 365536},
		{what: "groups may have more", subuid: "a:100000:65536\n", subgid: "a:200000:65536\n", want: 265536},
		{what: "below the least", subuid: "a:1000:10\n", want: 100000},
		{what: "what cannot be read", subuid: "a\n:::\nb:x:y\n#c:500000:65536\nd:-5:10\ne:99999999999999999999:1\n", want: 100000},
		{what: "an account in the way", subuid: "a:100000:65536\n", passwd: "web:x:170000:170000:::\nnobody:x:4294967294:1:::\n", want: 170001},
		{what: "a group in the way", group: "web:x:123456:\n", want: 123457},
	} {
		dir := t.TempDir()
		paths := make([]string, 0, 4)
		for name, text := range map[string]string{"subuid": c.subuid, "subgid": c.subgid, "passwd": c.passwd, "group": c.group} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"subuid", "subgid", "passwd", "group"} {
			paths = append(paths, filepath.Join(dir, name))
		}
		if got := freeSubIDs(paths[0], paths[1], paths[2], paths[3]); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
}

func TestSameInside(t *testing.T) {
	around := []Map{{0, 1000, 1}, {1, 100000, 65536}}
	got := sameInside(around)
	if len(got) != 2 || got[0] != (Map{0, 0, 1}) || got[1] != (Map{1, 1, 65536}) {
		t.Errorf("%v", got)
	}
}

func TestRemedy(t *testing.T) {
	single := []Map{{0, 1000, 1}}
	for reason, want := range map[string]string{
		reasonAsked:                         "unset CORACLE_SINGLE_ID",
		reasonNoNewPriv:                     "start coracle without no_new_privs (in a unit: NoNewPrivileges=no)",
		"/usr/bin/newuidmap" + notInstalled: "the host's administrator can install /usr/bin/newuidmap (package uidmap, or shadow-utils)",
	} {
		if got := (Maps{UID: single, Reason: reason}).Remedy(); got != want {
			t.Errorf("%s: %s", reason, got)
		}
	}
}

// Inside a container the programs that write maps may be there and have no privilege.
func TestMayWriteMaps(t *testing.T) {
	host := func(int) bool { return true }
	container := func(c int) bool { return c == unix.CAP_SETUID || c == unix.CAP_SETGID }
	restricted := func(int) bool { return false }
	for _, c := range []struct {
		mode    fs.FileMode
		bounded func(int) bool
		want    bool
	}{
		{0o755 | fs.ModeSetuid, host, true}, {0o755, host, true}, {0o755 | fs.ModeSetuid, container, false}, {0o755, container, true},
		{0o755, restricted, false}, {0o755 | fs.ModeSetuid, restricted, false},
	} {
		if got := mayWriteMaps(c.mode, c.bounded); got != c.want {
			t.Errorf("%v: %t", c.mode, got)
		}
	}
	m := Maps{UID: []Map{{0, 1000, 1}}, Reason: mapPrograms[0] + powerless}
	if got := m.Remedy(); !strings.Contains(got, "setcap cap_setuid=ep /usr/bin/newuidmap") {
		t.Errorf("%q", got)
	}
}
