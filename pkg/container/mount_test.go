// SPDX-License-Identifier: Apache-2.0

package container

import (
	"reflect"
	"strings"
	"testing"
)

func TestMergeMountsKeepsWhatWasAskedFor(t *testing.T) {
	got, err := MergeMounts([]Mount{{Type: MountBind, Source: "/s", Target: "/data/sub"}, {Type: MountTmpfs, Target: "/cache"}},
		[]Mount{{Type: MountVolume, Name: "first", Target: "/from"}, {Type: MountVolume, Name: "others", Target: "/from"}, {Type: MountVolume, Name: "others", Target: "/cache"}},
		[]string{"/from", "/data", "/cache/", "/../../canary", "relative", "/"})
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, m := range got {
		targets = append(targets, strings.TrimSpace(m.Type+" "+m.Target+" "+m.Name))
	}
	want := []string{"tmpfs /cache", "volume /from others", "volume /canary", "volume /data", "bind /data/sub"}
	if !reflect.DeepEqual(targets, want) {
		t.Errorf("mounts %q, want %q", targets, want)
	}
	if _, err := MergeMounts([]Mount{{Target: "/x"}, {Target: "/x"}}, nil, nil); err == nil {
		t.Error("two mounts at one place are allowed")
	}
}
