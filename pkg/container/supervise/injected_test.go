// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/cdi"
	"coracle/pkg/container"
	"coracle/pkg/ids"
	"coracle/pkg/oci/spec"
)

// TestNodesAreTheDescribedOnes asks for nodes that are not what a file says.
func TestNodesAreTheDescribedOnes(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(link, link); err != nil {
		t.Fatal(err)
	}
	for want, n := range map[string]cdi.Node{
		`failed to stat CDI host device "/dev/nosuch": no such file or directory`: {Source: "/dev/nosuch"},
		`failed to stat CDI host device "` + link + `": too many levels`:          {Source: link},
		`CDI device "/etc/passwd": not a device node`:                             {Source: "/etc/passwd"},
		`CDI device "/dev": not a device node`:                                    {Source: "/dev"},
		`CDI device "/dev/null": the host's type is "c", the specification's "b"`: {Source: "/dev/null", Type: "b"},
		`CDI device "/dev/null": the host's is 1:3, the specification's 1:5`:      {Source: "/dev/null", Major: 1, Minor: 5},
		`CDI device "/dev/zero": the host's is 1:5, the specification's 195:0`:    {Source: "/dev/zero", Type: "c", Major: 195},
	} {
		if f, err := openNode(n); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v %v, want %s", n, f, err, want)
		}
	}
}

func TestOneMountAtOnePlace(t *testing.T) {
	old, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	p := &prepared{list: []specs.Mount{{Destination: "/a/b"}, {Destination: "/a", Source: "old"}}, trees: map[string]*os.File{"/a": old}}
	err = p.inject(&cdi.Edits{Mounts: []specs.Mount{{Destination: "/a", Type: "tmpfs", Source: "new"}, {Destination: "/c/d/e", Type: "tmpfs"}}})
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	for _, m := range p.list {
		places = append(places, m.Destination+m.Source)
	}
	if !slices.Equal(places, []string{"/anew", "/a/b", "/c/d/e"}) || len(p.trees) != 0 || old.Close() == nil {
		t.Errorf("%v %v", places, p.trees)
	}
}

func TestWhatIsNotMounted(t *testing.T) {
	hooks := &specs.Hooks{}
	o := spec.Options{Env: []string{"A=own", "AB=own"}, User: ids.User{AdditionalGIDs: []uint32{0, 44}}}
	(&edits{Env: []string{"A=1", "C=3", "A=2"}, GIDs: []uint32{44, 109}, Hooks: hooks}).apply(&o)
	if !slices.Equal(o.Env, []string{"AB=own", "C=3", "A=2"}) || !slices.Equal(o.User.AdditionalGIDs, []uint32{0, 44, 109}) || o.Hooks != hooks {
		t.Errorf("%+v", o)
	}
	(*edits)(nil).apply(&o)
}

func TestFilesAreReadOnlyWhereDevicesWereAskedFor(t *testing.T) {
	dir := t.TempDir()
	f := container.Safety{SpecDirs: []string{dir}}
	if e, err := injected(f, &prepared{}); e != nil || err != nil {
		t.Errorf("%v %v", e, err)
	}
	f.DeviceRequests = []container.DeviceRequest{{Names: []string{"vendor.com/x=1"}}}
	if _, err := injected(f, &prepared{}); err == nil || err.Error() != "CDI device injection failed: unresolvable CDI devices vendor.com/x=1" {
		t.Error(err)
	}
}
