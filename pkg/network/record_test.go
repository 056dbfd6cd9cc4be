// SPDX-License-Identifier: Apache-2.0

package network

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/pkg/state"
)

// TestOneDamagedNetwork damages a network's record in every way: the other one
// goes on, and the damaged one is named and can be removed.
func TestOneDamagedNetwork(t *testing.T) {
	good := func(field, value string) string {
		fields := map[string]string{
			"id": `"` + strings.Repeat("a", 64) + `"`, "name": `"bad"`, "created": `"2026-01-01T00:00:00Z"`,
			"subnet": `"172.30.9.0/24"`, "gateway": `"172.30.9.1"`,
		}
		fields[field] = value
		var list []string
		for k, v := range fields {
			list = append(list, `"`+k+`":`+v)
		}
		return "{" + strings.Join(list, ",") + "}"
	}
	for what, text := range map[string]string{
		"null": "null", "empty": "", "object": "{}", "list": "[]", "cut": `{"id":"aa`, "zeros": "\x00\x00\x00",
		"id": good("id", `"short"`), "no id": good("id", `""`), "name": good("name", `"other"`), "path": good("name", `"../x"`),
		"year": good("created", `"9999-12-31T23:59:59-14:00"`), "no time": good("created", `"yesterday"`),
		"no subnet": good("subnet", `""`), "six": good("subnet", `"fd00::/64"`), "foreign gateway": good("gateway", `"10.1.1.1"`),
		"tiny": good("subnet", `"172.30.9.1/32"`), "range": good("range", `"10.0.0.0/8"`), "half of six": good("gateway6", `"fd00::1"`),
		"everything": `{"name":"bad","id":"` + strings.Repeat("a", 64) + `","subnet":"0.0.0.0/0","gateway":"0.0.0.1"}`, "small six": good("subnet6", `"fd00::/126"`),
	} {
		t.Run(what, func(t *testing.T) {
			n := NewStore(state.Dirs{Root: t.TempDir()})
			for _, name := range []string{"bad", "fine"} {
				if _, err := n.Create(t.Context(), CreateOptions{Name: name}); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(n.file("bad"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if list, err := n.List(); err != nil || len(list) != 1 || list[0].Name != "fine" {
				t.Errorf("list: %v, %v", list, err)
			}
			var damaged *DamagedError
			if _, err := n.Lookup("bad"); !errors.As(err, &damaged) {
				t.Fatalf("lookup: %v", err)
			}
			if _, err := n.Lookup(damaged.Network().ID[:12]); !errors.As(err, &damaged) {
				t.Errorf("lookup by ID: %v", err)
			}
			if _, err := n.Create(t.Context(), CreateOptions{Name: "bad"}); err == nil {
				t.Error("made once more")
			}
			if err := n.Remove(t.Context(), damaged.Network()); err != nil {
				t.Fatalf("remove: %v", err)
			}
			if _, err := os.Stat(filepath.Dir(n.file("bad"))); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("it is still there: %v", err)
			}
			if _, err := n.Create(t.Context(), CreateOptions{Name: "bad"}); err != nil {
				t.Errorf("made anew: %v", err)
			}
		})
	}
}

// TestDamagedMember damages the record of a member: others join, are found, and
// get addresses of their own.
func TestDamagedMember(t *testing.T) {
	for what, text := range map[string]string{
		"null": "null", "empty": "", "no address": `{"container":"one"}`, "six": `{"container":"one","addr":"fd00::1","mac":"02:42:ac:1e:00:02"}`,
		"other": `{"container":"two","addr":"172.30.0.2","mac":"02:42:ac:1e:00:02"}`, "path": `{"container":"../../x","addr":"172.30.0.2","mac":"02:42:ac:1e:00:02"}`,
		"no mac": `{"container":"one","addr":"172.30.0.2"}`,
	} {
		t.Run(what, func(t *testing.T) {
			n := NewStore(state.Dirs{Root: t.TempDir()})
			w, err := n.Create(t.Context(), CreateOptions{Name: "n"})
			if err != nil {
				t.Fatal(err)
			}
			join := func(id string) *Membership {
				t.Helper()
				m, err := n.Admit(t.Context(), w, Member{Container: id, Name: id})
				if err != nil {
					t.Fatal(err)
				}
				return m
			}
			one := join("one")
			if err := os.WriteFile(filepath.Join(n.members("n"), "one.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			two := join("two")
			if found := two.lookup("two"); len(found) != 1 {
				t.Errorf("two is %v", found)
			}
			if found := two.lookup("one"); len(found) != 0 {
				t.Errorf("one is %v", found)
			}
			if err := two.Leave(); err != nil {
				t.Error(err)
			}
			var used *InUseError
			if err := n.Remove(t.Context(), w); !errors.As(err, &used) {
				t.Errorf("removed with a member that lives: %v", err)
			}
			one.conn.Close() // the supervisor is killed
			one.lock.Release()
			if list, err := n.Members(t.Context(), w); err != nil || len(list) != 0 {
				t.Errorf("members: %v, %v", list, err)
			}
			if left, _ := filepath.Glob(filepath.Join(n.members("n"), "*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
			if err := n.Remove(t.Context(), w); err != nil {
				t.Error(err)
			}
		})
	}
}
