#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# image.sh RELEASE DIR: makes the disk of a machine with a release of Debian, and
# its kernel, from the distribution's packages: DIR/disk, DIR/vmlinuz, DIR/initrd.
# Root or anybody with subordinate ids may make it (mmdebstrap).
set -eu
release=$1 dir=$2
cd "$(dirname "$0")/../.."
. hack/common.sh
need mmdebstrap mmdebstrap || exit 1
need mke2fs e2fsprogs || exit 1
packages=linux-image-cloud-amd64,initramfs-tools,systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,uidmap,apparmor,curl,procps,cron,docker-registry

# Who is root of a user namespace only has to write here.
work=$(mktemp -d /var/tmp/coracle-vm.XXXXXX)
trap 'rm -rf "$work"' EXIT
chmod 1777 "$work"

# Mirrors as this machine has them; else where mmdebstrap looks.
mirror=$(awk '/^URIs:/ { print $2; exit }' /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
mmdebstrap --quiet --variant=minbase --format=null --keyring=/usr/share/keyrings --aptopt='Acquire::Check-Valid-Until "false"' \
	--include="$packages" --customize-hook="sh hack/vm/customize.sh \"\$1\" '$work'" \
	"$release" /dev/null ${mirror:+"deb $mirror $release main"} 2>"$work/said" || { cat "$work/said" >&2; die "no image of $release"; }
mkdir -p "$dir"
for f in vmlinuz initrd disk; do
	cp --sparse=always "$work/$f" "$dir/$f.part"
	mv "$dir/$f.part" "$dir/$f"
done
