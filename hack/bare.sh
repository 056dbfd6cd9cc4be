#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs both commands of the README from a clean clone of what is committed, as
# root of bare Debian systems that have nothing but apt: bookworm and trixie, or
# the releases that are named. Needs root, mmdebstrap and Go, whose modules are
# taken from this machine's cache.
#
#   hack/bare.sh [RELEASE...]        COMMANDS='hack/test.sh pkg/slirp' to run something else
set -eu
cd "$(dirname "$0")/.."
. hack/common.sh
[ "$(id -u)" = 0 ] || die "needs root: it makes root file systems with users of their own"
need mmdebstrap mmdebstrap || exit 1
need git git || exit 1
COMMANDS=${COMMANDS:-'hack/demo.sh && hack/test.sh'}
GO=$(go env GOROOT) MODULES=$(go env GOMODCACHE)
export COMMANDS GO MODULES
go mod download

# enter ROOT: COMMANDS in it, in a mount and pid namespace of their own, by
# pivot_root: who is in a chroot may make no user namespace.
enter() {
	ROOT=$1 unshare --mount --pid --fork --kill-child sh -euc '
		mount --make-rprivate / && mount --rbind "$ROOT" "$ROOT" && cd "$ROOT"
		for d in dev sys; do mount --rbind /$d $d; done
		mkdir -p usr/local/go modules
		mount --bind "$GO" usr/local/go && mount --bind "$MODULES/cache/download" modules
		mount -t proc proc proc && mount -t tmpfs -o mode=1777 tmp tmp
		cp --remove-destination /etc/resolv.conf etc/resolv.conf
		pivot_root . mnt && umount -l mnt
		cd /src
		exec env -i HOME=/root PATH=/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			GOPROXY=file:///modules GOFLAGS=-modcacherw CI="${CI:-}" sh -c "$COMMANDS"'
}

# Where this machine has its packages from; else where mmdebstrap looks.
mirror=$(awk '/^URIs:/ { print $2; exit }' /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
failed=
for release in ${*:-bookworm trixie}; do
	say "making $release"
	work=$(mktemp -d /var/tmp/coracle-bare.XXXXXX)
	chmod 755 "$work"
	mmdebstrap --quiet --variant=minbase --keyring=/usr/share/keyrings --aptopt='Acquire::Check-Valid-Until "false"' \
		"$release" "$work/root" ${mirror:+"deb $mirror $release main"} || die "no $release"
	git clone -q --no-hardlinks . "$work/root/src"
	say "running $COMMANDS in $release"
	enter "$work/root" || failed="$failed $release"
	rm -rf "$work"
done
[ -z "$failed" ] || die "failed in:$failed"
say "passed"
