// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"testing"

	"coracle/pkg/cli/command"
)

func TestTableHasTheNamesOfItsCommands(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range table() {
		if c := v.of(&command.Env{}); c.Name != v.name || seen[v.name] {
			t.Errorf("%s makes %s, or stands there twice", v.name, c.Name)
		}
		seen[v.name] = true
	}
}

func TestOnlyTheCommandAskedForIsMade(t *testing.T) {
	e := &command.Env{}
	all := len(app(e).Commands)
	for first, want := range map[string]int{"run": 1, "container": 1, "--root": all, "ls": all, "swarm": all, "__commands": all, "": all} {
		if got := len(appFor(e, []string{first, "x"}).Commands); got != want {
			t.Errorf("%q makes %d commands, want %d", first, got, want)
		}
	}
	if got := len(appFor(e, nil).Commands); got != all {
		t.Errorf("nothing makes %d commands, want %d", got, all)
	}
}
