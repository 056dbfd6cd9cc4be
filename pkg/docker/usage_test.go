// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/dockerfile/cache"
	"coracle/pkg/image"
	"coracle/pkg/overlay"
	"coracle/pkg/volume"
)

// numbers are the counts and sums of an answer by kind.
func numbers(t *testing.T, d DiskUsage) map[string]struct{ ActiveCount, TotalCount, TotalSize, Reclaimable int64 } {
	t.Helper()
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]struct{ ActiveCount, TotalCount, TotalSize, Reclaimable int64 }{}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestUsage(t *testing.T) {
	id := func(c string) string { return strings.Repeat(c, 64) }
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	runs, rests := &container.Container{}, &container.Container{}
	runs.ID, runs.ImageID, runs.State.Status = id("1"), id("a"), container.Running
	rests.ID, rests.ImageID = id("2"), id("a")
	u := Used{
		Images: image.Usage{Layers: 130, Images: []image.ImageUse{
			{Image: overlay.Image{ID: id("a"), Size: 100}, Shared: 50}, {Image: overlay.Image{ID: id("b"), Size: 80}, Shared: 50},
		}},
		Containers: []*container.Container{runs, rests}, ContainerSizes: map[string]int64{id("1"): 7, id("2"): 5},
		Volumes: []volume.Volume{{Name: "used"}, {Name: "free"}}, VolumeSizes: map[string]int64{"used": 20, "free": 3},
		VolumeUsers: func(name string) []string { return map[string][]string{"used": {id("1"), id("2")}}[name] },
		Cache:       []cache.Record{{ID: "k", Type: "regular", Size: 11, Created: now, Used: now}, {ID: "s", Size: 50, Shared: true}},
	}
	d := Usage(u, Places{Volume: func(name string) string { return "/v/" + name }}, now)
	want := map[string]struct{ ActiveCount, TotalCount, TotalSize, Reclaimable int64 }{
		"ImageUsage": {1, 2, 130, 30}, "ContainerUsage": {1, 2, 12, 5}, "VolumeUsage": {1, 2, 23, 3}, "BuildCacheUsage": {0, 2, 11, 11},
	}
	for kind, n := range numbers(t, d) {
		if n != want[kind] {
			t.Errorf("%s: %+v, want %+v", kind, n, want[kind])
		}
		delete(want, kind)
	}
	if len(want) > 0 {
		t.Errorf("nothing is said of %v", want)
	}
	if i := d.ImageUsage.Items; i[0].Containers != 2 || i[0].SharedSize != 50 || i[1].Containers != 0 || i[1].ID != "sha256:"+id("b") {
		t.Errorf("images %+v", i)
	}
	if v := d.VolumeUsage.Items[0]; v.Mountpoint != "/v/used" || v.UsageData.RefCount != 2 || v.UsageData.Size != 20 {
		t.Errorf("volume %+v", v)
	}
	if c := d.BuildCacheUsage.Items[0]; c.ID != "k" || c.Size != 11 || !c.LastUsedAt.Equal(now) || c.InUse || c.Shared {
		t.Errorf("cache %+v", c)
	}
	if len(d.Containers) != 2 || d.Containers[1].SizeRw != 5 || d.ContainerUsage.Items[1].ID != id("2") {
		t.Errorf("containers %+v", d.Containers)
	}
}

// TestUsageOfNothing has lists, not null, as Docker's programs expect; and where no
// image is in use all can go, what they share too.
func TestUsageOfNothing(t *testing.T) {
	data, err := json.Marshal(Usage(Used{}, Places{}, time.Now()))
	if err != nil || strings.Contains(string(data), "null") {
		t.Errorf("%s, %v", data, err)
	}
	u := Used{Images: image.Usage{Layers: 70, Images: []image.ImageUse{{Image: overlay.Image{Size: 50}, Shared: 30}, {Image: overlay.Image{Size: 50}, Shared: 30}}}}
	if n := Usage(u, Places{}, time.Now()).ImageUsage.Reclaimable; n != 70 {
		t.Errorf("%d of 70 bytes can go", n)
	}
}
