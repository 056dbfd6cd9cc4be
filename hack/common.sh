# SPDX-License-Identifier: Apache-2.0
# What demo.sh and test.sh share; to be sourced. It makes what they need from
# the distribution's packages, and finds an unprivileged user to work as.

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
die() { say "$*"; exit 1; }

# Without cgo, and without those parts of the libraries that need it. Nothing of
# the checkout goes into the program, which may belong to somebody else. TAGS
# are more tags of the build.
CGO_ENABLED=0
GOFLAGS="${GOFLAGS:-} -buildvcs=false -tags=exclude_graphdriver_btrfs,exclude_graphdriver_zfs,exclude_disk_quota,no_vpnkit,no_gvisortapvsock,no_slirp4netns,no_lxcusernic,urfave_cli_no_docs${TAGS:+,$TAGS}"
export CGO_ENABLED GOFLAGS

# lanes: how many packages' tests go on at once: two for each processor, up to four,
# since most of the time is spent in waiting.
lanes() {
	n=$(($(nproc) * 2))
	[ $n -le 4 ] || n=4
	echo $n
}

# install PACKAGE...: from the distribution, when we may.
install() {
	[ "$(id -u)" = 0 ] || return 1
	# Programs are wanted, not the services that come with them.
	policy=/usr/sbin/policy-rc.d
	[ -e $policy ] && policy= || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy; }
	fetch_install "$@" && code=0 || code=1
	[ -z "$policy" ] || rm -f "$policy"
	return $code
}

fetch_install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null 2>&1 ||
		{ apt-get update -q >/dev/null 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null; }
}

# need COMMAND PACKAGE: makes sure that a command is there.
need() {
	command -v "$1" >/dev/null 2>&1 || install "$2" || { say "$1 is missing: install the package $2"; return 1; }
}

# make_user NAME: an unprivileged user with subordinate ids.
make_user() {
	id "$1" >/dev/null 2>&1 || useradd --create-home --shell /bin/sh "$1"
	grep -q "^$1:" /etc/subuid 2>/dev/null || usermod --add-subuids 2000000-2065535 "$1"
	grep -q "^$1:" /etc/subgid 2>/dev/null || usermod --add-subgids 2000000-2065535 "$1"
}

# make_single NAME: an unprivileged user without any.
make_single() {
	id "$1" >/dev/null 2>&1 || useradd --create-home --shell /bin/sh "$1"
	sed -i "/^$1:/d" /etc/subuid /etc/subgid 2>/dev/null || true
}

# The shell has no local variables: those of these functions begin with pk_.

# refresh_lists: makes sure that the lists of packages are there.
refresh_lists() {
	[ "$(id -u)" = 0 ] || return 0
	ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || apt-get update -q >/dev/null 2>&1 || true
}

# fetch_packages DIR PACKAGE...: downloads packages and all that they need. Lists
# that are out of date are made anew once.
fetch_packages() {
	download_packages "$@" && return
	[ "$(id -u)" = 0 ] || return 1
	apt-get update -q >/dev/null 2>&1 && download_packages "$@"
}

download_packages() {
	pk_dir=$1; shift
	mkdir -p "$pk_dir"
	pk_list=$(apt-get -s -qq -o Dir::State::status=/dev/null -o Debug::NoLocking=1 install --no-install-recommends "$@" 2>/dev/null | awk '/^Inst/{print $2}')
	[ -n "$pk_list" ] || return 1
	(cd "$pk_dir" && apt-get download -qq $pk_list >/dev/null 2>&1)
}

# unpack_packages DIR ROOT: as files only; nothing of them is run.
unpack_packages() {
	for deb in "$1"/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --no-same-owner -C "$2"
	done
}

# python_rootfs FILE: a root file system with Python, pip, Flask and redis, as a
# tar archive, made from the distribution's packages.
python_rootfs() {
	pk_work=$(mktemp -d)
	if ! fetch_packages "$pk_work/debs" base-files base-passwd dash coreutils sed grep findutils tar gzip \
		python3 python3-pip python3-flask python3-redis ca-certificates; then
		rm -rf "$pk_work"
		return 1
	fi
	pk_root=$pk_work/root
	mkdir -p "$pk_root/usr/bin" "$pk_root/usr/sbin" "$pk_root/usr/lib" "$pk_root/usr/lib64" "$pk_root/etc" "$pk_root/tmp" "$pk_root/root"
	for d in bin sbin lib lib64; do ln -s "usr/$d" "$pk_root/$d"; done
	unpack_packages "$pk_work/debs" "$pk_root"
	cp "$pk_root/usr/share/base-passwd/passwd.master" "$pk_root/etc/passwd"
	cp "$pk_root/usr/share/base-passwd/group.master" "$pk_root/etc/group"
	ln -sf python3 "$pk_root/usr/bin/python"
	# What the scripts of ca-certificates would make, which pip asks for.
	mkdir -p "$pk_root/etc/ssl/certs"
	cat "$pk_root"/usr/share/ca-certificates/*/*.crt >"$pk_root/etc/ssl/certs/ca-certificates.crt"
	# What is installed already need not come from an index that may be out of reach.
	printf '[global]\nbreak-system-packages = true\ndisable-pip-version-check = true\nroot-user-action = ignore\n' >"$pk_root/etc/pip.conf"
	chmod 1777 "$pk_root/tmp"
	rm -rf "$pk_root/usr/share/doc" "$pk_root/usr/share/man" "$pk_root/usr/share/locale"
	tar -C "$pk_root" --owner=0 --group=0 --numeric-owner -cf "$1.part" .
	mv "$1.part" "$1"
	rm -rf "$pk_work"
}

# busybox_rootfs FILE [PROGRAM...]: a root file system with busybox, and with programs
# of this machine and the libraries that they need.
busybox_rootfs() {
	pk_file=$1; shift
	pk_work=$(mktemp -d)
	mkdir -p "$pk_work/bin" "$pk_work/etc" "$pk_work/tmp" "$pk_work/root" "$pk_work/var" "$pk_work/home"
	cp "$(command -v busybox)" "$pk_work/bin/busybox"
	for applet in $("$pk_work/bin/busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$pk_work/bin/$applet"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$pk_work/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$pk_work/etc/group"
	chmod 1777 "$pk_work/tmp"
	for program in "$@"; do
		pk_path=$(command -v "$program") || { rm -rf "$pk_work"; return 1; }
		for f in "$pk_path" $(ldd "$pk_path" | grep -o '/[^ ]*'); do
			mkdir -p "$pk_work$(dirname "$f")"
			cp -L "$f" "$pk_work$f"
		done
	done
	tar -C "$pk_work" --owner=0 --group=0 -cf "$pk_file.part" .
	mv "$pk_file.part" "$pk_file"
	rm -rf "$pk_work"
}

# redis_rootfs FILE: a root file system with Redis, its client and a shell.
redis_rootfs() { busybox_rootfs "$1" redis-server redis-cli; }
