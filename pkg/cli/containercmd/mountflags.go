// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"path/filepath"
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/urfave/cli/v2"

	"coracle/pkg/docker"
)

// engineSocket is where Docker's clients look for the engine.
const engineSocket = "/var/run/docker.sock"

// askMounts takes what is to be mounted. A path that begins with a dot begins
// where the command was typed.
func askMounts(c *cli.Context, q *docker.CreateRequest) error {
	h := &q.HostConfig
	h.VolumesFrom, h.ContainerIDFile = c.StringSlice("volumes-from"), c.String("cidfile")
	if c.Bool("use-api-socket") {
		h.Binds = append(h.Binds, engineSocket+":"+engineSocket)
	}
	for _, v := range c.StringSlice("volume") {
		source, rest, has := strings.Cut(v, ":")
		if !has && v != "" { // it counts like a VOLUME of the image
			if q.Volumes == nil {
				q.Volumes = map[string]struct{}{}
			}
			q.Volumes[v] = struct{}{}
			continue
		}
		if strings.HasPrefix(source, ".") || strings.HasPrefix(source, "~") {
			abs, err := filepath.Abs(source)
			if err != nil {
				return err
			}
			v = abs + ":" + rest
		}
		h.Binds = append(h.Binds, v)
	}
	for _, v := range c.StringSlice("mount") {
		m, err := docker.ParseMount(v)
		if err != nil {
			return badFlag("mount", v, err)
		}
		if m.Type == mount.TypeBind && strings.HasPrefix(m.Source, ".") {
			if m.Source, err = filepath.Abs(m.Source); err != nil {
				return err
			}
		}
		h.Mounts = append(h.Mounts, m)
	}
	for _, v := range c.StringSlice("tmpfs") {
		if h.Tmpfs == nil {
			h.Tmpfs = map[string]string{}
		}
		target, options, _ := strings.Cut(v, ":")
		h.Tmpfs[target] = options
	}
	return nil
}
