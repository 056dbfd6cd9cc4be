#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# hack/clients.sh DIR: makes the clients of Docker's API that test/api works with,
# and what tells whether Kubernetes would take an object, in DIR. One that cannot be had is left out, and its tests are skipped. Some are
# too large to be made each time, and are used where they are in DIR or in PATH: act (go install github.com/nektos/act@v0.2.89), dive (go install
# github.com/wagoodman/dive/cmd/dive@latest), and GitLab's gitlab-runner with its gitlab-runner-helper.
set -eu
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
. hack/common.sh

# build NAME PACKAGE [FLAG]: from the module of that name in hack/clients.
build() {
	(cd "hack/clients/$1" && GOFLAGS=-buildvcs=false timeout 900 go build -trimpath ${3:+"$3"} -o "$out/$1" "$2") >"$out/$1.log" 2>&1 ||
		say "no client $1: $(tail -n 1 "$out/$1.log")"
}

# Docker's command line has no go.mod, and would be taken for Go of long ago.
build docker github.com/docker/cli/cmd/docker '-gcflags=github.com/docker/cli/...=-lang=go1.26'
build compose github.com/docker/compose/v5/cmd
# compose asks buildx for its version.
build buildx github.com/docker/buildx/cmd/buildx '-ldflags=-X=github.com/docker/buildx/version.Version=v0.38.2'
build moby .
build testcontainers .
build dockertest .
build kubernetes .
if [ "$(id -u)" = 0 ]; then
	refresh_lists
	need docker-compose docker-compose || true
	/usr/bin/python3 -c 'import docker' 2>/dev/null || install python3-docker || say "no client python3-docker"
fi
if command -v npm >/dev/null 2>&1; then
	mkdir -p "$out/node"
	cp hack/clients/node/package.json "$out/node/"
	(cd "$out/node" && HOME=$out/node timeout 300 npm install --no-audit --no-fund --ignore-scripts) >"$out/node.log" 2>&1 ||
		say "no clients for node: $(tail -n 1 "$out/node.log")"
fi
chmod -R a+rX "$out"
