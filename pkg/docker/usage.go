// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/build"
	moby "github.com/moby/moby/api/types/container"
	imageapi "github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/system"
	api "github.com/moby/moby/api/types/volume"

	"coracle/pkg/container"
	"coracle/pkg/dockerfile/cache"
	"coracle/pkg/image"
	"coracle/pkg/volume"
)

// Used is what there is on the disk, with what it takes, in bytes.
type Used struct {
	Images         image.Usage
	Containers     []*container.Container
	ContainerSizes map[string]int64 // of their read-write layers, by ID
	Volumes        []volume.Volume
	VolumeSizes    map[string]int64 // by name
	VolumeUsers    func(name string) []string
	Cache          []cache.Record
}

// DiskUsage is what system df answers (GET /system/df): of every kind how many
// there are, how many of them in use, how large all are, and what a prune would
// free; and each of them.
type DiskUsage struct {
	system.DiskUsage
	Containers []Summary `json:"-"` // the items of ContainerUsage
}

// Usage is the answer about what is used at the time now.
func Usage(u Used, at Places, now time.Time) DiskUsage {
	d := DiskUsage{DiskUsage: system.DiskUsage{ImageUsage: imageUsage(u), VolumeUsage: volumeUsage(u, at), BuildCacheUsage: cacheUsage(u.Cache)}}
	c := &moby.DiskUsage{TotalCount: int64(len(u.Containers)), Items: []moby.Summary{}}
	for _, ctr := range u.Containers {
		s := Summarize(ctr, at, now)
		s.SizeRw = u.ContainerSizes[ctr.ID]
		if c.TotalSize += s.SizeRw; ctr.State.IsRunning() {
			c.ActiveCount++
		} else {
			c.Reclaimable += s.SizeRw
		}
		c.Items, d.Containers = append(c.Items, s.Summary), append(d.Containers, s)
	}
	d.ContainerUsage = c
	return d
}

// imageUsage says of an image in use, too, what it shares: that stays as long as
// one of those that have it does.
func imageUsage(u Used) *imageapi.DiskUsage {
	d := &imageapi.DiskUsage{TotalCount: int64(len(u.Images.Images)), TotalSize: u.Images.Layers, Items: []imageapi.Summary{}}
	for _, img := range u.Images.Images {
		s := ImageSummary(img.Image)
		s.SharedSize, s.Containers = img.Shared, 0
		for _, c := range u.Containers {
			if c.UsesImage(img.ID) {
				s.Containers++
			}
		}
		if s.Containers > 0 {
			d.ActiveCount++
		} else {
			d.Reclaimable += img.Size - img.Shared
		}
		d.Items = append(d.Items, s)
	}
	if d.ActiveCount == 0 {
		d.Reclaimable = d.TotalSize
	}
	return d
}

func volumeUsage(u Used, at Places) *api.DiskUsage {
	d := &api.DiskUsage{TotalCount: int64(len(u.Volumes)), Items: []api.Volume{}}
	for _, v := range u.Volumes {
		size, users := u.VolumeSizes[v.Name], len(u.VolumeUsers(v.Name))
		answer := *Volume(v, at.Volume(v.Name))
		answer.UsageData = &api.UsageData{Size: size, RefCount: int64(users)}
		if d.TotalSize += size; users > 0 {
			d.ActiveCount++
		} else {
			d.Reclaimable += size
		}
		d.Items = append(d.Items, answer)
	}
	return d
}

func cacheUsage(list []cache.Record) *build.DiskUsage {
	n := cache.Size(list)
	return &build.DiskUsage{TotalCount: int64(len(list)), TotalSize: n, Reclaimable: n, Items: CacheRecords(list)}
}

// CacheRecords are the records of the build cache in Docker's words. None is ever
// in use: a build holds the whole cache.
func CacheRecords(list []cache.Record) []build.CacheRecord {
	all := []build.CacheRecord{}
	for _, r := range list {
		all = append(all, build.CacheRecord{ID: r.ID, Type: r.Type, Shared: r.Shared, Size: r.Size, CreatedAt: r.Created, LastUsedAt: &r.Used, UsageCount: 1})
	}
	return all
}

// ChooseCache reads the filters of BuildKit's cache into what chooses its
// records; nil chooses all.
func ChooseCache(list []string) (func(cache.Record) bool, error) {
	f, err := CacheFilters(list)
	if err != nil || len(f) == 0 {
		return nil, err
	}
	f["until"] = append(f["until"], f["unused-for"]...)
	before := time.Time{}
	for _, v := range f["until"] {
		if before, err = ParseMoment(v); err != nil {
			return nil, err
		}
	}
	truth := func(key string, is bool) bool {
		return f.Any(key, func(v string) bool {
			return v == "" && is || v == strconv.FormatBool(is) || v == "1" && is || v == "0" && !is
		})
	}
	return func(r cache.Record) bool {
		return (before.IsZero() || r.Used.Before(before)) && truth("shared", r.Shared) && truth("private", !r.Shared) && truth("inuse", false) &&
			f.Any("id", func(v string) bool { return strings.HasPrefix(r.ID, v) }) &&
			f.Any("type", func(v string) bool { return v == r.Type })
	}, nil
}
