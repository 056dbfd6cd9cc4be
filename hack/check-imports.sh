#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks that packages import only downwards. The order is ARCHITECTURE.md's,
# from the ground up; packages of one level do not import each other. What tests
# import is not looked at.
set -eu
cd "$(dirname "$0")/.."
order='
0 coracle/internal/testutil
0 coracle/internal/testutil/projects
7 coracle/internal/testutil/userns
7 coracle/internal/testutil/store
17 coracle/internal/testutil/commandline
0 coracle/pkg/trace
0 coracle/pkg/cancel
0 coracle/pkg/cdi
0 coracle/pkg/clouds
0 coracle/pkg/descriptor
0 coracle/pkg/filedata
0 coracle/pkg/inroot
0 coracle/pkg/squashfs
0 coracle/pkg/mount
0 coracle/pkg/wire
0.5 coracle/pkg/wire/socket
0 coracle/pkg/xattr
0 coracle/pkg/hint
0.5 coracle/pkg/ids
1 coracle/pkg/ids/paper
1 coracle/pkg/state
2 coracle/pkg/events
2 coracle/pkg/ns/fork
2 coracle/pkg/ns/seccomp
3 coracle/pkg/ns
4 coracle/pkg/worker
4 coracle/pkg/container/transfer
5 coracle/pkg/ns/await
5 coracle/pkg/ns/child
6 coracle/pkg/ns/first
1 coracle/pkg/slirp/sockaddr
2 coracle/pkg/slirp/relay
1 coracle/pkg/slirp/netns
1 coracle/pkg/slirp/dns
2 coracle/pkg/slirp/l2
3 coracle/pkg/slirp/slirptest
3 coracle/pkg/slirp/kerneltcp
3 coracle/pkg/slirp/publish
4 coracle/pkg/slirp
5 coracle/pkg/network
5 coracle/pkg/trash
6 coracle/pkg/volume
2 coracle/pkg/systemd
3 coracle/pkg/quadlet
3 coracle/pkg/cgroup
4 coracle/pkg/overlay/plain
4 coracle/pkg/overlay/shared
5 coracle/pkg/overlay
10 coracle/pkg/doctor
5 coracle/pkg/oci/platform
0 coracle/pkg/oci/reference
6 coracle/pkg/oci/registry
6 coracle/pkg/oci/spec
7 coracle/pkg/oci
8 coracle/pkg/dockerfile/files
0 coracle/pkg/dockerfile/parse
7 coracle/pkg/dockerfile/plan
8 coracle/pkg/image
8 coracle/pkg/bundle
8 coracle/pkg/dockerfile/cache
9 coracle/pkg/dockerfile/exec
9.5 coracle/pkg/dockerfile/run
9.5 coracle/pkg/dockerfile/chroot
10 coracle/pkg/dockerfile
8 coracle/pkg/container/logfile
9 coracle/pkg/container
6 coracle/pkg/container/control
10 coracle/pkg/container/client
10.5 coracle/pkg/container/archive
8 coracle/pkg/box
10 coracle/pkg/container/supervise
10 coracle/pkg/docker
11 coracle/pkg/container/create
11 coracle/pkg/container/look
11 coracle/pkg/compose/convert
12 coracle/pkg/compose/load
12 coracle/pkg/compose/kube
12 coracle/pkg/compose/develop
13 coracle/pkg/compose
11 coracle/pkg/host
0 coracle/pkg/api/buildkit/pb
1 coracle/pkg/api/buildkit/grpc
2 coracle/pkg/api/buildkit/session
11 coracle/pkg/api/buildkit/control
12 coracle/pkg/api
11 coracle/pkg/cli/progress
11 coracle/pkg/cli/formatter
11 coracle/pkg/cli/flags
12 coracle/pkg/cli/command
12.5 coracle/pkg/cli/streams
13 coracle/pkg/cli/apicmd
13 coracle/pkg/cli/imagecmd
13 coracle/pkg/cli/ocicmd
13 coracle/pkg/cli/volumecmd
15 coracle/pkg/cli/networkcmd
13 coracle/pkg/cli/buildcmd
13 coracle/pkg/cli/systemdcmd
14 coracle/pkg/cli/containercmd
15 coracle/pkg/cli/composecmd
15 coracle/pkg/cli/kubecmd
16 coracle/pkg/cli
17 coracle
'
go list -f '{{range .Imports}}{{$.ImportPath}} {{.}}
{{end}}' ./... | grep ' coracle/' | awk -v order="$order" '
BEGIN {
	n = split(order, line, "\n")
	for (i = 1; i <= n; i++) if (split(line[i], f, " ") == 2) level[f[2]] = f[1]
}
$1 ~ /^coracle\/(test|hack)/ { next }
!($1 in level) || !($2 in level) { print $1 " imports " $2 ": not in the order of hack/check-imports.sh"; bad = 1; next }
level[$1] <= level[$2] { print $1 " imports " $2 ": arrows point down"; bad = 1 }
END { exit bad }'
# A Dockerfile's text is read without the disk, and without knowing the engine.
if go list -deps ./pkg/dockerfile/parse | grep '^coracle/' | grep -v '^coracle/pkg/dockerfile/parse$'; then
	echo "coracle/pkg/dockerfile/parse depends on other packages" >&2
	exit 1
fi
# A plan is made without looking at a file.
if go list -deps ./pkg/dockerfile/plan | grep -E '^coracle/pkg/(dockerfile/files|overlay|state)'; then
	echo "coracle/pkg/dockerfile/plan depends on files" >&2
	exit 1
fi
# A build does not know containers, and what makes its layers not how a RUN is run.
if go list -deps ./pkg/dockerfile | grep -E '^coracle/pkg/(container|bundle|docker)(/|$)'; then
	echo "coracle/pkg/dockerfile depends on other nouns" >&2
	exit 1
fi
if go list -deps ./pkg/dockerfile/exec | grep -E '^coracle/pkg/(box|slirp|ns/child)'; then
	echo "coracle/pkg/dockerfile/exec depends on how commands are run" >&2
	exit 1
fi
# What a stage that ends in execve begins with is initialised early; these are
# not, for their paths sort late (package ns/first).
if go list -deps ./pkg/ns/first | grep -x -E 'net|regexp|runtime/debug|golang.org/x/net/.*'; then
	echo "coracle/pkg/ns/first depends on packages that are initialised late" >&2
	exit 1
fi
