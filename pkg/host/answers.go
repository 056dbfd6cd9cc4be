// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"runtime"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/image"
	"coracle/pkg/state"
)

// Program is this program, of that version, on this host.
func Program(version string) (docker.Program, error) {
	_, release, err := Kernel()
	return docker.Program{Version: version, GoVersion: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Kernel: release}, err
}

// Info is what there is to know of this host and of what is on it.
func Info(ctx context.Context, d state.Dirs, p docker.Program) (*docker.Info, error) {
	list, err := container.NewStore(d).Readable()
	if err != nil {
		return nil, err
	}
	ix, err := image.NewStore(d, container.ImageUsers).Index(ctx)
	if err != nil {
		return nil, err
	}
	h, err := Describe(d.Root)
	if err != nil {
		return nil, err
	}
	h.Images = len(ix.Images)
	h.Count(list)
	return docker.HostInfo(p, h), nil
}

// Used looks at everything there is on the disk. Damaged containers are left out,
// which bad is about.
func Used(ctx context.Context, d state.Dirs) (used docker.DiskUsage, bad, err error) {
	list, bad := container.NewStore(d).List()
	vs := container.Volumes(d)
	volumes, err := vs.List()
	if err != nil {
		return used, bad, err
	}
	users, err := vs.Users()
	if err != nil {
		return used, bad, err
	}
	n, err := DiskUsage(ctx, d)
	if err != nil {
		return used, bad, err
	}
	return docker.Usage(docker.Used{
		Images: n.Images, Containers: list, ContainerSizes: n.Containers, Volumes: volumes, VolumeSizes: n.Volumes, VolumeUsers: users, Cache: n.Cache,
	}, docker.Places{Volume: vs.DataDir}, time.Now()), bad, nil
}
