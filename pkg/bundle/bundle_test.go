// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/json"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]unix.Signal{
		"9": 9, "KILL": 9, "SIGKILL": 9, "kill": 9, "SigTerm": 15, "0": 0, "64": 64, "RTMIN": 34, "SIGRTMIN+3": 37, "RTMAX-2": 62, "RTMAX": 64,
	} {
		if got, err := ParseSignal(text); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "65", "FISH", "SIG", "RTMIN+31", "RTMAX+1", "9 "} {
		if got, err := ParseSignal(text); err == nil {
			t.Errorf("%q is signal %d", text, got)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(`{"ociVersion":"1.0.2","root":{"path":"r"},"process":{"cwd":"/","args":["x"]},"linux":{"namespaces":[{"type":"mount"}]}}`)
	f.Add(`{"ociVersion":"1.3.0","root":{"path":"r"},"hooks":{"poststop":[{"path":"/x","timeout":0}]},"mounts":[{}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var s specs.Spec
		if json.Unmarshal([]byte(text), &s) != nil {
			return
		}
		err := check(&s)
		if err == nil && (s.Root == nil || s.Linux == nil || s.Process != nil && len(s.Process.Args) == 0) {
			t.Errorf("%s is taken for complete", text)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("an error of several lines: %v", err)
		}
	})
}
