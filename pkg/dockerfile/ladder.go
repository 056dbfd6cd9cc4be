// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"fmt"
	"os"
	"strings"

	"coracle/pkg/dockerfile/chroot"
	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/dockerfile/run"
	"coracle/pkg/hint"
	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/overlay"
)

// What a host does not give is done in another way, down to builds that run nothing:
//
//	user namespaces, several ids    a box for each command
//	one id                          the same; owners are noted
//	no overlayfs for the store      the same; layers are copied
//	root, but no namespaces         chroot(2) in the container around
//	neither                         COPY, ADD and metadata; owners and modes are noted
//
// Which way it is, is said once for a build.

// runner runs the commands of a build as far down as this process is.
func runner(st *overlay.Store, r Request) exec.Runner {
	switch {
	case ids.Alone():
		return noCommands{}
	case ns.Confined():
		return &chroot.Runner{Store: st, Ulimits: r.Ulimits}
	}
	return &run.Runner{Store: st, Ulimits: r.Ulimits}
}

// ways says in a line what is done in another way than on a host that gives all; empty
// where nothing is.
func ways(st *overlay.Store) string {
	var list []string
	row := hint.UserNamespaces
	switch {
	case ids.Alone():
		list = append(list, "no user namespaces, and no root: COPY, ADD and metadata only, RUN is refused")
	case ns.Confined():
		list = append(list, "no user namespaces: commands run by chroot in the container around, without /proc")
	default:
		row = hint.Overlay
		if ids.Single() && os.Getenv("CORACLE_SINGLE_ID") != "1" {
			list, row = append(list, "one user id: owners are noted"), hint.SubordinateIDs
		}
	}
	if st.Copies() {
		list = append(list, "no overlayfs: layers are copied")
	}
	if len(list) == 0 {
		return ""
	}
	return "on this host: " + strings.Join(list, "; ") + row.See()
}

// noCommands is the runner of a process that can run nothing of an image: it may not
// even change its root directory.
type noCommands struct{}

// Run satisfies exec.Runner.
func (noCommands) Run(context.Context, exec.Step) error {
	why := ns.WhyConfined()
	remedy := hint.Text(hint.Of(why))
	if ns.Filtered() {
		remedy += "; in Kubernetes: securityContext.seccompProfile.type: Unconfined, or runAsUser: 0 with the default capabilities"
	}
	return hint.About(hint.UserNamespaces, fmt.Errorf("RUN cannot be carried out here: %w", why), "COPY, ADD and all that concerns metadata work without it. "+remedy)
}
