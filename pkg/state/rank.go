// SPDX-License-Identifier: Apache-2.0

package state

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// A Rank is a lock's place in the one order in which a process takes locks, so
// that no two ever wait for each other: after a lock only such of a higher rank
// are waited for, and of the same rank those whose path sorts after it. To try
// a lock ([TryAcquire]) is allowed at any time.
type Rank int

// The ranks, in their order.
const (
	RankProject    Rank = iota // of one project of compose, while a command changes what there is of it
	RankContainer              // of one container: its supervisor's for life
	RankMember                 // of one container on one network: its supervisor's for life; only ever tried
	RankBuild                  // buildcache/lock: shared by builds until they end, exclusive while the cache is cleared
	RankCacheMount             // of one RUN --mount=type=cache, as long as the RUN runs
	RankImages                 // the set of images; the library's own locks come right after it
	RankVolumes                // the set of volumes: shared by who makes or uses one, exclusive while one is removed
	RankStaging                // shared by who makes something in tmp/, exclusive while tmp/ is swept
	RankNames                  // the names of containers
	RankRecord                 // of one container's record, while it is changed
	RankFill                   // of one volume, while it is filled
	RankNetworks               // the set of networks, and their addresses
	RankBundle                 // of one container of coracle oci
)

var rankNames = [...]string{
	"project", "container", "member", "build", "cache mount", "images", "volumes", "staging", "names", "record", "fill", "networks", "bundle",
}

func (r Rank) String() string { return rankNames[r] }

// LockOrder is the order of all ranks, as ARCHITECTURE.md shows it.
func LockOrder() string { return strings.Join(rankNames[:], " → ") }

// A LockFile is a lock that can be taken: where it is, and its place in the
// order.
type LockFile struct {
	Path string
	Rank Rank
}

// ImageLock guards the set of images.
func (d Dirs) ImageLock() LockFile { return LockFile{filepath.Join(d.Root, "images.lock"), RankImages} }

// BuildLock is shared by builds, and held alone by who clears the cache.
func (d Dirs) BuildLock() LockFile { return LockFile{filepath.Join(d.BuildCache(), "lock"), RankBuild} }

// ProjectLock is held by who changes what there is of a project of compose: also while
// containers are started and stopped, for nobody who holds another lock waits for it.
// A name may be any text: it is what a label of a container says.
func (d Dirs) ProjectLock(name string) LockFile {
	file := url.PathEscape(name)
	if len(file) > longestProject {
		file = fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	}
	return LockFile{filepath.Join(d.Projects(), file+".lock"), RankProject}
}

// longestProject is the longest name of a project that is one of a file, too.
const longestProject = 200

// NamesLock guards the names of containers.
func (d Dirs) NamesLock() LockFile { return LockFile{filepath.Join(d.Names(), ".lock"), RankNames} }

// VolumesLock keeps volumes from being removed (shared), or is held by who
// removes one (exclusive).
func (d Dirs) VolumesLock() LockFile {
	return LockFile{filepath.Join(d.Volumes(), ".lock"), RankVolumes}
}

// NetworksLock guards the set of networks, and their addresses.
func (d Dirs) NetworksLock() LockFile {
	return LockFile{filepath.Join(d.Networks(), ".lock"), RankNetworks}
}

// CacheMountLock is the lock of a directory in CacheMounts.
func CacheMountLock(dir string) LockFile { return LockFile{dir + ".lock", RankCacheMount} }

// Lock is held, exclusive, by the container's supervisor for life, and while
// the container is removed.
func (d ContainerDir) Lock() LockFile { return LockFile{d.at("lock"), RankContainer} }

// RecordLock is held while the record is changed.
func (d ContainerDir) RecordLock() LockFile { return LockFile{d.at("record.lock"), RankRecord} }

// FillLock is held while the volume is filled.
func (d VolumeDir) FillLock() LockFile { return LockFile{d.at("lock"), RankFill} }

// MemberLock is that of a container on the network.
func (d NetworkDir) MemberLock(container string) LockFile {
	return LockFile{filepath.Join(d.Members(), MemberFiles(container).Lock()), RankMember}
}
