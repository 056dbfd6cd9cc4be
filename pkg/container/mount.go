// SPDX-License-Identifier: Apache-2.0

package container

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"coracle/pkg/mount"
)

// Kinds of [Mount].
const (
	MountBind   = "bind"
	MountVolume = "volume"
	MountTmpfs  = "tmpfs"
	MountImage  = "image"
)

// Mount is one thing mounted into a container.
type Mount struct {
	Type     string `json:"type"`
	Name     string `json:"name,omitempty"`   // of a volume, empty for an anonymous one; the ID of an image
	Source   string `json:"source,omitempty"` // of a bind, absolute; of an image, as it was typed
	Target   string `json:"target"`           // absolute, in the container
	ReadOnly bool   `json:"readOnly,omitempty"`
	NoCopy   bool   `json:"noCopy,omitempty"` // do not fill an empty volume from the image
	// CreateSource makes a missing bind source a directory, as -v does.
	CreateSource bool     `json:"createSource,omitempty"`
	Propagation  string   `json:"propagation,omitempty"`
	Subpath      string   `json:"subpath,omitempty"`      // of a volume or an image
	Recursive    string   `json:"recursive,omitempty"`    // of a bind: "", disabled, writable or readonly
	TmpfsOptions []string `json:"tmpfsOptions,omitempty"` // of tmpfs(5)
	// Labels and Options are given to the volume when it is made.
	Labels  map[string]string `json:"labels,omitempty"`
	Options map[string]string `json:"options,omitempty"`
	// LayerDirs are those of the image named by Source, base first.
	LayerDirs []string `json:"layerDirs,omitempty"`
	// Given is the third field of -v, or the second of --tmpfs, as it was typed.
	Given string `json:"given,omitempty"`
	// API is a bind of the socket where Docker's clients look for an engine, on a host
	// where nobody listens there: one is served for this container.
	API bool `json:"api,omitempty"`
	// Inherited is a mount that another container has, by --volumes-from.
	Inherited bool `json:"inherited,omitempty"`
	// Long is a mount that was asked for with its type and options apart (--mount,
	// HostConfig.Mounts), for answers alone.
	Long bool `json:"long,omitempty"`

	// Of a bind mount that a volume's options ask for: the volume, and options
	// of the mount.
	volume string
	flags  []string
}

// Mode is the -v form of the mount's options.
func (m Mount) Mode() string {
	if m.Type == MountTmpfs || m.Given == "" {
		if m.ReadOnly {
			return "ro"
		}
		return ""
	}
	return m.Given
}

// CheckTarget makes a target what it is called, and refuses what is none.
func (m *Mount) CheckTarget() error {
	if !path.IsAbs(m.Target) {
		return fmt.Errorf("invalid mount config for type %q: invalid mount path: '%s' mount path must be absolute", m.Type, m.Target)
	}
	m.Target = path.Clean(m.Target)
	if m.Target == "/" {
		return fmt.Errorf("invalid specification: destination can't be '/'")
	}
	return nil
}

// ParseTmpfs reads the value of --tmpfs: TARGET[:OPTIONS].
func ParseTmpfs(spec string) (Mount, error) {
	target, options, _ := strings.Cut(spec, ":")
	m := Mount{Type: MountTmpfs, Target: target}
	var err error
	if m.TmpfsOptions, m.ReadOnly, err = mount.TmpfsOptions(options); err != nil {
		return Mount{}, err
	}
	return m, m.CheckTarget()
}

// MergeMounts puts what was asked for over what comes from other containers,
// and both over the anonymous volumes at the places declared. It refuses two
// mounts that were asked for at one place.
func MergeMounts(asked, from []Mount, declared []string) ([]Mount, error) {
	seen := map[string]bool{}
	for _, m := range asked {
		if seen[m.Target] {
			return nil, fmt.Errorf("Duplicate mount point: %s", m.Target)
		}
		seen[m.Target] = true
	}
	all := slices.Clone(asked)
	for _, m := range slices.Backward(from) { // of two at one place the last counts
		if !seen[m.Target] {
			seen[m.Target] = true
			all = append(all, m)
		}
	}
	slices.Sort(declared)
	for _, target := range declared {
		m := Mount{Type: MountVolume, Target: target}
		// A VOLUME of an image is hostile: one that is no path of a directory
		// below / is not mounted at all.
		if m.CheckTarget() != nil || seen[m.Target] {
			continue
		}
		seen[m.Target] = true
		all = append(all, m)
	}
	// Parents first, so that one mount does not hide another.
	slices.SortStableFunc(all, func(a, b Mount) int {
		return strings.Count(a.Target, "/") - strings.Count(b.Target, "/")
	})
	return all, nil
}

// CheckSource reports a bind source that is missing and not to be created.
func (m Mount) CheckSource() error {
	if m.Type != MountBind || m.CreateSource {
		return nil
	}
	if _, err := os.Stat(m.Source); err != nil {
		return fmt.Errorf("invalid mount config for type \"bind\": bind source path does not exist: %s", m.Source)
	}
	return nil
}
