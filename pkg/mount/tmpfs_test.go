// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"strings"
	"testing"
)

func TestTmpfsOptions(t *testing.T) {
	for words, want := range map[string]string{
		"": "", "rw": "", "defaults,,": "", "ro": " ro", "size=1m,ro,noexec": "size=1m,noexec ro", "mode=1777,uid=5,mpol=local": "mode=1777,uid=5,mpol=local",
	} {
		got, readOnly, err := TmpfsOptions(words)
		text := strings.Join(got, ",")
		if readOnly {
			text += " ro"
		}
		if err != nil || text != want {
			t.Errorf("%q: %q %v, want %q", words, text, err, want)
		}
	}
	for _, words := range []string{"size", "size=", "noexec=1", "bind", "x", "ro,lowerdir=/", " ro"} {
		if got, _, err := TmpfsOptions(words); err == nil || !strings.HasPrefix(err.Error(), "invalid tmpfs option [") {
			t.Errorf("%q: %q %v", words, got, err)
		}
	}
}
