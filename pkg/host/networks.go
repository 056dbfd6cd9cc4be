// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/network"
	"coracle/pkg/state"
)

// Networks are those that the filters let through: first those that are always
// there. Of a damaged one its name is left; bad is about those.
func Networks(d state.Dirs, f docker.Filters) (list []*docker.Network, bad []*network.DamagedError, err error) {
	nets, cs := network.NewStore(d), container.NewStore(d)
	all, err := nets.List()
	if err != nil {
		return nil, nil, err
	}
	bad = nets.Damaged()
	for _, d := range bad {
		all = append(all, d.Network())
	}
	used := map[string]bool{}
	if len(f["dangling"]) > 0 {
		if used, err = cs.UsedNetworks(); err != nil {
			return nil, bad, err
		}
	}
	add := func(n *docker.Network) {
		if f.MatchNetwork(n, used[n.Name]) {
			list = append(list, n)
		}
	}
	created, bridge := began(d), nets.BridgePlace()
	for _, name := range network.Predefined() {
		add(docker.PredefinedNetwork(name, bridge, created, nil))
	}
	for _, w := range all {
		add(docker.InspectNetwork(w, nil))
	}
	return list, bad, nil
}

// Network is the one that arg means, a name or the beginning of an ID, with who is
// on it.
func Network(ctx context.Context, d state.Dirs, arg string) (*docker.Network, error) {
	nets := network.NewStore(d)
	w, err := nets.Lookup(arg)
	var missing *network.NotFoundError
	for _, name := range network.Predefined() {
		if arg == name || errors.As(err, &missing) && arg != "" && strings.HasPrefix(docker.PredefinedID(name), arg) {
			list, _ := container.NewStore(d).List() // a damaged one does not run
			return docker.PredefinedNetwork(name, nets.BridgePlace(), began(d), list), nil
		}
	}
	if err != nil {
		return nil, err
	}
	members, err := nets.Members(ctx, w)
	return docker.InspectNetwork(w, members), err
}

// began is when the engine's directory was made, which the networks that are
// always there are as old as.
func began(d state.Dirs) time.Time {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, d.Root, 0, unix.STATX_BTIME|unix.STATX_MTIME, &st); err != nil {
		return time.Time{}
	}
	if st.Mask&unix.STATX_BTIME == 0 { // not every file system keeps it
		st.Btime = st.Mtime
	}
	return time.Unix(st.Btime.Sec, int64(st.Btime.Nsec)).UTC()
}
