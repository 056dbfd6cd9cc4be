// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"coracle/pkg/hint"
)

// options are those of a volume, as --opt has them.
func options(words string) map[string]string {
	all := map[string]string{}
	for _, kv := range strings.Fields(words) {
		k, v, _ := strings.Cut(kv, "=")
		all[k] = v
	}
	return all
}

// TestOptions reads the options of Docker's driver local.
func TestOptions(t *testing.T) {
	s, _ := newStore(t)
	for words, want := range map[string]Source{
		"":                              {Kind: Own, Dir: s.DataDir("vol")},
		"type=none o=bind device=/d":    {Kind: Bind, Dir: "/d"},
		"type=bind device=/d":           {Kind: Bind, Dir: "/d"},
		"type=ext4 o=bind,ro device=/d": {Kind: Bind, Dir: "/d", ReadOnly: true},
		"type=none o=rbind,nosuid,rslave device=/d": {Kind: Bind, Dir: "/d", Recursive: true, Propagation: "rslave", Options: []string{"nosuid"}},
		"type=tmpfs o=size=1m,ro device=x":          {Kind: Tmpfs, ReadOnly: true, Options: []string{"size=1m"}},
		"type=tmpfs device=tmpfs":                   {Kind: Tmpfs},
	} {
		got, err := Volume{Name: "vol", Options: options(words)}.source(s.dirs)
		if err != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			t.Errorf("%q: %#v %v, want %#v", words, got, err, want)
		}
	}
}

// TestOptionsRefused has Docker's words, and says what is possible instead.
func TestOptionsRefused(t *testing.T) {
	s, _ := newStore(t)
	for words, want := range map[string][2]string{
		"color=red":                         {`invalid option: "color"`, ""},
		"size=1m":                           {"quota size requested but no quota support", "type=tmpfs"},
		"device=/d":                         {`missing required option: "type"`, ""},
		"type=none":                         {`missing required option: "device"`, ""},
		"type=none o=bind device=d":         {"failed to mount local volume: mount d: the device is not an absolute path", ""},
		"type=none o=bind,uid=0 device=/d":  {"failed to mount local volume: mount /d, data: uid=0: invalid argument", ""},
		"type=tmpfs o=size device=x":        {`invalid tmpfs option ["size"]`, ""},
		"type=nfs o=addr=h device=:/export": {"failed to mount local volume: mount :/export:" + s.DataDir("vol") + ", data: addr=h: operation not permitted", "file system of type nfs"},
		"type=ext4 device=/dev/sda1":        {"failed to mount local volume: mount /dev/sda1:" + s.DataDir("vol") + ": operation not permitted", "o=bind"},
	} {
		_, err := s.Create(t.Context(), "vol", nil, options(words))
		if err == nil || err.Error() != "create vol: "+want[0] || !strings.Contains(hint.Of(err), want[1]) || want[1] == "" && hint.Of(err) != "" {
			t.Errorf("%q: %v (%s), want %q", words, err, hint.Of(err), want)
		}
		var option *OptionError
		if !errors.As(err, &option) && !strings.HasPrefix(want[0], "invalid tmpfs") {
			t.Errorf("%q: %T", words, err)
		}
	}
}
