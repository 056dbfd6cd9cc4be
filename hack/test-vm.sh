#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tests what only a machine of its own shows: boots Debian with systemd, cgroups and
# AppArmor under qemu, by software where there is no KVM, and runs test/machine in
# it: services, reboot, power cut. To be run before a release; it takes a few minutes
# with KVM, and about half an hour without.
#
#   hack/test-vm.sh [RELEASE...]       bookworm and trixie, or those that are named
#   BOOTS=services,back hack/test-vm.sh   only these boots; TESTS=Limits only these tests
#   CACHE=DIR                          where the machines' disks are kept; ~/.cache/coracle-vm
#   SHELL_AFTER=1                      ends in a shell of the machine (root, no password)
set -eu
cd "$(dirname "$0")/.."
. hack/common.sh
CACHE=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/coracle-vm}
[ "$(uname -m)" = x86_64 ] || die "the machine is one of x86_64"
need qemu-system-x86_64 qemu-system-x86 || exit 1
need mke2fs e2fsprogs || exit 1
need busybox busybox-static || exit 1
for release in ${*:-bookworm trixie}; do
	dir=$CACHE/$release
	# Made anew when what makes it has changed.
	if [ ! -e "$dir/disk" ] || ! cat hack/vm/image.sh hack/vm/customize.sh | cmp -s - "$dir/made-by"; then
		say "making $release"
		hack/vm/image.sh "$release" "$dir"
		cat hack/vm/image.sh hack/vm/customize.sh >"$dir/made-by"
	fi
done

work=$(mktemp -d /var/tmp/coracle-vm.XXXXXX)
trap 'rm -rf "$work"' EXIT
say "building"
mkdir -p "$work/kit/fixtures"
go build -trimpath -ldflags='-s -w' -o "$work/kit/coracle" .
go test -c -ldflags='-s -w' -o "$work/kit/machine.test" ./test/machine
go build -o "$work/vm" ./hack/vm
cp -r docs "$work/kit/docs"
cp hack/vm/run "$work/kit/run"
busybox_rootfs "$work/kit/fixtures/busybox.tar"
chmod -R a+rX "$work/kit"
truncate -s 128M "$work/kit.disk"
mke2fs -q -t ext4 -d "$work/kit" -F "$work/kit.disk"
failed=
for release in ${*:-bookworm trixie}; do
	say "testing in $release"
	"$work/vm" -image "$CACHE/$release" -kit "$work/kit.disk" -work "$work" -boots "${BOOTS:-}" -tests "${TESTS:-}" ${SHELL_AFTER:+-shell} || failed="$failed $release"
done
[ -z "$failed" ] || die "failed in:$failed"
say "passed"
