// SPDX-License-Identifier: Apache-2.0

package state

import (
	"path/filepath"
	"strings"
)

// Storage is the graph root of the storage library. What lies below is the
// library's, and package overlay knows it.
func (d Dirs) Storage() string { return filepath.Join(d.Root, "storage") }

// StorageRun is the run root of the storage library.
func (d Dirs) StorageRun() string { return filepath.Join(d.Run, "storage") }

// StorageConf is the configuration file that the library reads instead of the host's.
func (d Dirs) StorageConf() string { return filepath.Join(d.Root, "storage.conf") }

// ImageIndex is the list of images that is read without a user namespace.
func (d Dirs) ImageIndex() string { return filepath.Join(d.Root, "images.json") }

// Images holds one file per image: the index's details.
func (d Dirs) Images() string { return filepath.Join(d.Root, "images") }

// ImageDetails is the file of one image.
func (d Dirs) ImageDetails(id string) string { return filepath.Join(d.Images(), id+".json") }

// BlobInfo holds one file per layer: under which digests registries know it.
func (d Dirs) BlobInfo() string { return filepath.Join(d.Root, "blobinfo") }

// LayerBlobs is the file of one layer in BlobInfo.
func (d Dirs) LayerBlobs(layer string) string { return filepath.Join(d.BlobInfo(), layer+".json") }

// Containers holds one directory per container.
func (d Dirs) Containers() string { return filepath.Join(d.Root, "containers") }

// Container is the directory of one container.
func (d Dirs) Container(id string) ContainerDir {
	return ContainerDir(filepath.Join(d.Containers(), id))
}

// ContainerRun is the run-time directory of one container.
func (d Dirs) ContainerRun(id string) string { return filepath.Join(d.Run, "containers", id) }

// Notify is the directory that a container is shown to speak to the service manager in.
func (d Dirs) Notify(id string) string { return filepath.Join(d.Run, "notify", id) }

// ControlSocket is the name of a supervisor's socket in its container's
// run-time directory.
const ControlSocket = "ctl.sock"

// APISocket is the name of the socket, in a container's run-time directory, at which
// Docker's API is served for it.
const APISocket = "api.sock"

// ExecRecords is the directory, in a container's run-time directory, of further
// processes that have been asked for.
const ExecRecords = "exec"

// Meetings holds the sockets of those who wait for containers to start.
func (d Dirs) Meetings() string { return filepath.Join(d.Run, "waiting") }

// Names holds one link per container name, and a lock: no name begins with a dot.
func (d Dirs) Names() string { return filepath.Join(d.Root, "names") }

// Name is the link of one name. It leads to the ID.
func (d Dirs) Name(name string) string { return filepath.Join(d.Names(), name) }

// Volumes holds one directory per volume, and a lock: no name begins with a dot.
func (d Dirs) Volumes() string { return filepath.Join(d.Root, "volumes") }

// Volume is the directory of one volume.
func (d Dirs) Volume(name string) VolumeDir { return VolumeDir(filepath.Join(d.Volumes(), name)) }

// Networks holds one directory per network, and a lock: no name begins with a dot.
func (d Dirs) Networks() string { return filepath.Join(d.Root, "networks") }

// Network is the directory of one network.
func (d Dirs) Network(name string) NetworkDir { return NetworkDir(filepath.Join(d.Networks(), name)) }

// Projects holds one lock per project of compose.
func (d Dirs) Projects() string { return filepath.Join(d.Root, "projects") }

// BuildCache holds the build records.
func (d Dirs) BuildCache() string { return filepath.Join(d.Root, "buildcache") }

// CacheMounts holds the directories of RUN --mount=type=cache.
func (d Dirs) CacheMounts() string { return filepath.Join(d.Root, "cachemounts") }

// ToldOfBoot is there when the user was told that nothing starts containers after
// the host was.
func (d Dirs) ToldOfBoot() string { return filepath.Join(d.Root, "told-of-boot") }

// ToldOf is there when the user was told of something that is said once.
func (d Dirs) ToldOf(what string) string { return filepath.Join(d.Root, "told-of-"+what) }

// Tmp holds what is not finished yet, and what is not quite gone.
func (d Dirs) Tmp() TmpDir { return TmpDir(filepath.Join(d.Root, "tmp")) }

// Events is the journal; OldEvents the one before it.
func (d Dirs) Events() string { return filepath.Join(d.Root, "events.log") }

// OldEvents is what the journal was before it was begun again.
func (d Dirs) OldEvents() string { return filepath.Join(d.Root, "events.log.1") }

// ContainerDir is the directory of one container, wherever it is: below
// containers/, or still being made in tmp/.
type ContainerDir string

func (d ContainerDir) at(name string) string { return filepath.Join(string(d), name) }

// Record is what was asked for, in JSON.
func (d ContainerDir) Record() string { return d.at("record.json") }

// State is what happened, in JSON.
func (d ContainerDir) State() string { return d.at("state.json") }

// Volatile is an empty file in the directory of a container with --rm.
func (d ContainerDir) Volatile() string { return d.at("volatile") }

// Upper and Work are the read-write layer.
func (d ContainerDir) Upper() string { return d.at("upper") }

// Work is overlayfs's own directory beside Upper.
func (d ContainerDir) Work() string { return d.at("work") }

// Rootfs is where the root file system is mounted.
func (d ContainerDir) Rootfs() string { return d.at("rootfs") }

// Files holds resolv.conf, hosts and hostname.
func (d ContainerDir) Files() string { return d.at("files") }

// Log is the container's output; rotation appends .1, .2 and on.
func (d ContainerDir) Log() string { return d.at("container.log") }

// SupervisorLog is what the supervisor itself had to say.
func (d ContainerDir) SupervisorLog() string { return d.at("supervise.log") }

// Waiting holds one file for each process that waits for the container's next start:
// the path of the socket where it is met, which may be in another session's run
// directory.
func (d ContainerDir) Waiting() string { return d.at("waiting") }

// ImageMount is where the image that is mounted at target is looked at.
func (d ContainerDir) ImageMount(target string) string {
	return filepath.Join(d.at("images"), strings.ReplaceAll(strings.Trim(target, "/"), "/", "-"))
}

// VolumeDir is the directory of one volume, wherever it is.
type VolumeDir string

func (d VolumeDir) at(name string) string { return filepath.Join(string(d), name) }

// Record is what the volume was made with, in JSON.
func (d VolumeDir) Record() string { return d.at("volume.json") }

// Data holds the volume's files, unless its options say otherwise.
func (d VolumeDir) Data() string { return d.at("data") }

// Fill is content that is complete, on its way to Data.
func (d VolumeDir) Fill() string { return d.at("fill") }

// NewFill is content that is being prepared.
func (d VolumeDir) NewFill() string { return d.at("fill.tmp") }

// NetworkDir is the directory of one network.
type NetworkDir string

// Record is what the network is, in JSON.
func (d NetworkDir) Record() string { return filepath.Join(string(d), "network.json") }

// Members holds the files of the running members: see [MemberFiles].
func (d NetworkDir) Members() string { return filepath.Join(string(d), "members") }

// MemberFiles are the names, in a network's Members, of what belongs to one
// container; on the default network, to one address.
type MemberFiles string

// Record is what the member is, in JSON.
func (m MemberFiles) Record() string { return string(m) + ".json" }

// Socket takes the member's packets.
func (m MemberFiles) Socket() string { return string(m) + ".sock" }

// Lock is held by the member's supervisor for life.
func (m MemberFiles) Lock() string { return string(m) + ".lock" }

// ListenerOf is whose socket has a name in Members.
func ListenerOf(socket string) (key string, ok bool) { return strings.CutSuffix(socket, ".sock") }

// MemberOf is the container whose record has a name in Members.
func MemberOf(record string) (container string, ok bool) { return strings.CutSuffix(record, ".json") }
