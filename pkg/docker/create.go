// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"fmt"
	"slices"
	"strings"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/api/types/network"

	"coracle/pkg/cdi"
	"coracle/pkg/container"
	"coracle/pkg/ids"
	"coracle/pkg/overlay"
)

// CreateRequest asks for a container (POST /containers/create). What inspect
// answers as Config and HostConfig may be sent again.
type CreateRequest struct {
	// Parameters of the address.
	Name     string `json:"-"`
	Platform string `json:"-"`

	Config
	HostConfig       HostConfig
	NetworkingConfig NetworkingConfig
}

// NetworkingConfig says what a container is on each of its networks. The first is
// the network mode.
type NetworkingConfig struct {
	network.NetworkingConfig
	// Order is the order of the others; without one it is that of their names.
	Order []string `json:"-"`
}

// World is what a request does not say itself: the caller looks it up. A function
// is called only when the request is about such a thing.
type World struct {
	Container func(ref string) (*container.Container, error)
	Network   func(ref string) (name string, err error) // of one that somebody made
	Image     func(ref string) (id string, layers []string, err error)

	Hostname     func() (string, error)
	CPUs         int                                                  // that there are
	Online       func(set string) string                              // "cpu" or "node": what there is, as 0-3,5
	CheckSource  func(container.Mount) error                          // of a bind
	NoEngine     func(path string) bool                               // Docker's clients look for the engine there, and nobody listens
	Devices      func(container.Device) ([]container.Device, error)   // nodes that the user may open, below a directory too
	OutOfReach   func(container.Device) bool                          // the user may open it, the container's processes may not
	CDI          func() *cdi.Registry                                 // what specification files describe
	CheckDisk    func(path string) error                              // refuses what is no block device
	CheckLog     func(driver string, options map[string]string) error // refuses a driver that is not there
	KeepsSockets func() bool                                          // the host's abstract sockets can be kept from containers on its network
	Controllers  func() (names []string, delegated bool)              // of cgroups that containers can have
	Throttle     func() []string                                      // the machine's counters that are hidden

	Userns string                                  // the mode where none is asked for
	Caller func() (id ids.Keep, name string)       // who the user is on the host
	Copies func(ids.Keep) (copied bool, err error) // layers have other owners for a container that keeps this id
}

// Warning is something that a request asks for and does not get as it may have
// been meant.
type Warning struct {
	Text, Hint string
	Once       string // what a user needs to be told of only once, or nothing
}

// draft is a record that is being made.
type draft struct {
	req      *CreateRequest
	w        World
	image    dockerspec.DockerOCIImageConfig
	rec      *container.Record
	warnings []Warning
}

// warn says something once.
func (d *draft) warn(format string, args ...any) {
	d.warnOf(Warning{Text: fmt.Sprintf(format, args...)})
}

func (d *draft) warnOf(w Warning) {
	if !slices.Contains(d.warnings, w) {
		d.warnings = append(d.warnings, w)
	}
}

// Record turns a request and the image that it names into what a container with
// this ID is made of; or it refuses, in Docker's words. Volumes without a name
// have none yet: whoever makes the container gives it to them.
func (q *CreateRequest) Record(id string, img overlay.Details, w World) (*container.Record, []Warning, error) {
	image, err := decodeImage(img)
	if err != nil {
		return nil, nil, err
	}
	d := &draft{req: q, w: w, image: image.Config, rec: &container.Record{
		ID: id, Name: strings.TrimPrefix(q.Name, "/"), Image: q.Image, ImageID: img.ID, LayerDirs: img.LayerDirs, Platform: image.OS,
		VolumesFrom: q.HostConfig.VolumesFrom, IDFile: q.HostConfig.ContainerIDFile, Annotations: q.HostConfig.Annotations,
	}}
	if err := d.make(); err != nil {
		return nil, nil, err
	}
	return d.rec, d.warnings, nil
}

// Check refuses what no image could make right, before one is pulled.
func (q *CreateRequest) Check(id string, w World) error {
	any := dockerspec.DockerOCIImageConfig{}
	any.Cmd = []string{"sh"}
	return (&draft{req: q, w: w, image: any, rec: &container.Record{ID: id}}).make()
}

// make fills the record in, a group of fields after the other.
func (d *draft) make() error {
	for _, step := range []func() error{
		d.refuse, d.setProcess, d.setLabels, d.setNetworks, d.setPorts, d.setNames, d.setSharedNetwork, d.setMounts, d.setLimits, d.setHealth,
		d.setNamespaces, d.setUserns, d.setSafety, d.setDeviceRequests, d.setLife,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (d *draft) setLabels() error {
	d.rec.Labels = map[string]string{}
	for _, from := range []map[string]string{d.image.Labels, d.req.Labels} {
		for k, v := range from {
			if k == "" {
				return invalid("invalid label format: %q", k+"="+v)
			}
			d.rec.Labels[k] = v
		}
	}
	if _, ok := d.rec.Annotations[""]; ok {
		return invalid("invalid Annotation: the empty string is not permitted as an annotation key")
	}
	return nil
}
