// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func sh(script string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

func TestHooksAreToldTheState(t *testing.T) {
	file := filepath.Join(t.TempDir(), "told")
	list := []specs.Hook{sh("cat >" + file), sh("echo >>" + file), sh("echo $0 $HOME >>" + file)}
	if err := RunHooks("createContainer", list, []byte("state")); err != nil {
		t.Fatal(err)
	}
	if told, _ := os.ReadFile(file); string(told) != "state\nsh\n" {
		t.Errorf("%q", told)
	}
}

func TestHooksThatFail(t *testing.T) {
	second := 1
	endless := sh("echo begun; exec sleep 1000")
	endless.Timeout = &second
	for want, h := range map[string]specs.Hook{
		"hooks.x[0]: /bin/sh: exit status 3":                                     sh("exit 3"),
		"hooks.x[0]: /bin/sh: exit status 1: no such driver":                     sh("echo no such; echo driver >&2; exit 1"),
		"hooks.x[0]: /bin/sh: signal: killed: begun":                             endless,
		"hooks.x[0]: fork/exec /nosuch: no such file or directory":               {Path: "/nosuch"},
		"hooks.x[0]: /bin/sh: exit status 2: " + strings.Repeat("y ", 511) + "y": sh("yes | head -n 10000; exit 2"),
	} {
		// A state that is larger than a pipe, and that nobody reads.
		if err := RunHooks("x", []specs.Hook{h, sh("exit 9")}, make([]byte, 1<<20)); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestHooksThatLeaveSomethingRunning ends before what a hook has begun, which keeps
// the hook's streams.
func TestHooksThatLeaveSomethingRunning(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	if err := RunHooks("x", []specs.Hook{sh("sleep 600 & echo $! >" + pid)}, nil); err != nil {
		t.Fatal(err)
	}
	if err := RunHooks("x", []specs.Hook{sh("kill $(cat " + pid + ")")}, nil); err != nil {
		t.Error(err)
	}
}
