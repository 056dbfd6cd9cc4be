// SPDX-License-Identifier: Apache-2.0

package create

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"coracle/pkg/cdi"
	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/container/logfile"
	"coracle/pkg/docker"
	"coracle/pkg/ids"
	"coracle/pkg/network"
	"coracle/pkg/ns/child"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
	"coracle/pkg/wire/socket"
)

// World is this host, and what coracle has on it. Without find no request may be
// about an image that is mounted.
func World(cs *container.Store, find func(ref string) (overlay.Details, error)) docker.World {
	return docker.World{
		Container: cs.Lookup,
		Network: func(ref string) (string, error) {
			w, err := network.NewStore(cs.Dirs()).Lookup(ref)
			return w.Name, err
		},
		Image: func(ref string) (string, []string, error) {
			img, err := find(ref)
			return img.ID, img.LayerDirs, err
		},
		Hostname:    os.Hostname,
		CPUs:        runtime.NumCPU(),
		Online:      online,
		CheckSource: container.Mount.CheckSource,
		NoEngine:    noEngine,
		Devices:     container.Device.Nodes,
		OutOfReach: func(d container.Device) bool {
			maps, err := ids.HostMaps()
			return err == nil && !maps.Single() && d.ThroughGroup()
		},
		CDI:          func() *cdi.Registry { return cdi.Load(cdi.Dirs()) },
		CheckDisk:    cgroup.CheckDevice,
		CheckLog:     logfile.Check,
		KeepsSockets: child.ClosesAbstract,
		Controllers:  cgroup.Available,
		Throttle:     spec.ThrottleCounters,
		Userns:       DefaultUserns(),
		Caller:       caller,
		Copies: func(k ids.Keep) (bool, error) {
			maps, err := ids.HostMaps()
			return !maps.KeepsRoot(k), err
		},
	}
}

// OwnSocket is the variable that names a socket which is served by this program for as
// long as a command runs: what is beside the command finds itself there, and needs no
// connection, and a container that mounts it is served by itself.
const OwnSocket = "CORACLE_API"

// noEngine reports whether a path is one where Docker's clients look for the engine,
// and this user finds none there, or one that is gone before the container is.
func noEngine(path string) bool {
	if own, ok := strings.CutPrefix(os.Getenv(OwnSocket), "unix://"); ok && path == own {
		return true
	}
	places := []string{"/var/run/docker.sock", "/run/docker.sock"}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		places = append(places, filepath.Join(dir, "docker.sock"))
	}
	if !slices.Contains(places, path) {
		return false
	}
	c, err := socket.Dial(path)
	if err != nil {
		return true
	}
	c.Close()
	return false
}

// DefaultUserns is the mode of the user namespace of containers that ask for none:
// $CORACLE_USERNS, as PODMAN_USERNS is podman's.
func DefaultUserns() string { return os.Getenv("CORACLE_USERNS") }

// NeedsOwnLayers reports whether a container cannot have the layers of a shared store
// where they are: it may have copies beside them.
func NeedsOwnLayers(q docker.CreateRequest) bool {
	return q.HostConfig.UsernsMode != "" || DefaultUserns() != ""
}

// caller is who the user is on the host.
func caller() (ids.Keep, string) {
	uid := strconv.Itoa(os.Geteuid())
	name := uid
	if u, err := user.LookupId(uid); err == nil {
		name = u.Username
	}
	return ids.Keep{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}, name
}

// online reads which CPUs ("cpu") or memory nodes ("node") the kernel uses; it is
// empty without sysfs.
func online(set string) string {
	data, err := os.ReadFile("/sys/devices/system/" + set + "/online")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
