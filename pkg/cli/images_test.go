// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/image"

	"coracle/pkg/overlay"
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

// What is kept of three images, of which the oldest has no name and the next a
// label, by each filter.
func TestFiltersOfImages(t *testing.T) {
	now := time.Now()
	ix := &overlay.Index{Images: []overlay.Image{
		{ID: "a", Names: []string{"docker.io/library/web:1"}, Created: now.Add(-time.Minute)},
		{ID: "b", Names: []string{"docker.io/library/db:1"}, Created: now.Add(-time.Hour), Labels: map[string]string{"k": "v"}},
		{ID: "c", Created: now.Add(-2 * time.Hour)},
	}}
	for _, c := range []struct{ filter, kept string }{
		{"dangling=true", "c"}, {"dangling=1", "c"}, {"dangling=false", "ab"}, {"dangling=0", "ab"}, {"label=k", "b"}, {"label=k=v", "b"}, {"label=k=w", ""},
		{"label!=k", "ac"}, {"label!=k=w", "abc"}, {"until=30m", "bc"}, {"until=90m", "c"}, {"until=3h", ""}, {"before=web:1", "bc"}, {"since=db:1", "a"},
	} {
		key, value, _ := strings.Cut(c.filter, "=")
		if k, ok := strings.CutPrefix(c.filter, "label!="); ok {
			key, value = "label!", k
		}
		images, err := filterImages(ix, filters{key: {value}})
		kept := ""
		for _, img := range images {
			kept += img.ID
		}
		if err != nil || kept != c.kept {
			t.Errorf("%s: %q, %v", c.filter, kept, err)
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
