// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"
	"testing"

	"github.com/moby/moby/api/types/image"
)

// The filter for references leaves the names that it is about; a digest stays
// with the tags of its repository.
func TestNamesThatAFilterLeaves(t *testing.T) {
	const digest = "@sha256:30ab4d13bf013a32bec5741cd1ca29519a23a5f3d8f505b35d2df609e47f542f"
	for _, c := range []struct {
		pattern       []string
		tags, digests []string
	}{
		{nil, []string{"web:1", "web:2", "me/db:1"}, []string{"web" + digest, "only" + digest}},
		{[]string{"web"}, []string{"web:1", "web:2"}, []string{"web" + digest}},
		{[]string{"web:2"}, []string{"web:2"}, []string{"web" + digest}},
		{[]string{"*/*"}, []string{"me/db:1"}, nil},
		{[]string{"only"}, nil, []string{"only" + digest}},
		{[]string{"me/*", "only"}, []string{"me/db:1"}, []string{"only" + digest}},
		{[]string{"nosuch"}, nil, nil},
		{[]string{"web" + digest}, nil, []string{"web" + digest}},
		{[]string{"docker.io/library/only" + digest}, nil, []string{"only" + digest}},
		{[]string{"me/db" + digest}, nil, nil},
	} {
		s := image.Summary{RepoTags: []string{"web:1", "web:2", "me/db:1"}, RepoDigests: []string{"web" + digest, "only" + digest}}
		some := keepNames(&s, filters{"reference": c.pattern})
		if !slices.Equal(s.RepoTags, c.tags) || !slices.Equal(s.RepoDigests, c.digests) || some != (len(c.tags)+len(c.digests) > 0) {
			t.Errorf("%v: %v %v", c.pattern, s.RepoTags, s.RepoDigests)
		}
	}
}

// A proxy is shown without what only it should know.
func TestProxyIsShownWithoutItsPassword(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "http://proxy:3128": "http://proxy:3128", "http://me:secret@proxy:3128": "http://xxxxx:xxxxx@proxy:3128", "localhost,.example.org": "localhost,.example.org",
	} {
		t.Setenv("HTTP_PROXY", value)
		t.Setenv("http_proxy", "")
		if got := proxyOf("http"); got != want {
			t.Errorf("%q: %q", value, got)
		}
	}
}
