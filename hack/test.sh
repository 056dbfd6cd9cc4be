#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs all tests as an unprivileged user; called as root it makes one,
# coracle-test, and another one without subordinate ids, coracle-single.
# An argument is a part of the packages' paths: hack/test.sh pkg/slirp
set -eu
# Whoever calls this in the background has SIGINT ignored, and so would have
# the programs that tests interrupt.
if [ -z "${CORACLE_TEST_SIGNALS:-}" ] && env --default-signal=INT true 2>/dev/null; then
	CORACLE_TEST_SIGNALS=default exec env --default-signal=INT,QUIT "$0" "$@"
fi
cd "$(dirname "$0")/.."
TAGS=lockorder # see pkg/state/order.go
. hack/common.sh
command -v go >/dev/null || die "go is missing: see https://go.dev/doc/install"

root=0
[ "$(id -u)" != 0 ] || root=1
if [ $root = 1 ]; then
	refresh_lists
	need newuidmap uidmap || true
	need docker-registry docker-registry || true
	need redis-server redis-server || true
	need chromium-headless-shell chromium-headless-shell || true # 100 MB, on a bare system 170
	need /usr/bin/docker docker.io || true # the command line alone: nothing is started
	make_user coracle-test
	make_single coracle-single
fi
need curl curl || true
need iperf3 iperf3 || true
need ping iputils-ping || true
need dig bind9-dnsutils || true
need busybox busybox-static || true
need mksquashfs squashfs-tools || true

work=$(mktemp -d)
cleanup() {
	chmod -R u+rwX "$work" 2>/dev/null || true
	rm -rf "$work" 2>/dev/null || true
}
trap cleanup EXIT
failed=
chmod 755 "$work"

say "checking the sources"
[ -z "$(gofmt -l main.go internal pkg test hack 2>/dev/null)" ] || die "not formatted: $(gofmt -l main.go internal pkg test hack)"
hack/check-imports.sh
go vet ./...
hack/size.sh
hack/lint.sh

say "looking for data races"
hack/race.sh "$@" || failed=" race"

say "building"
go build -trimpath -o "$work/coracle" .
hack/check-docs.sh "$work/coracle"
mkdir "$work/tests" "$work/fixtures"
# shellcheck disable=SC2016 # what each of them runs
go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | sed 's,^coracle/,,' | grep -F -e "${1:-}" |
	xargs -r -P "$(nproc)" -I DIR sh -ec 'mkdir -p "$1/tests/DIR"; go test -c -o "$1/tests/DIR/run.test" "./DIR"
		[ ! -d DIR/testdata ] || cp -r DIR/testdata "$1/tests/DIR/"' sh "$work"

say "making root file systems"
if ! busybox_rootfs "$work/fixtures/busybox.tar"; then say "no busybox: tests that need it are skipped"; fi
if ! python_rootfs "$work/fixtures/python.tar"; then say "no Python packages: tests that need them are skipped"; fi
if ! redis_rootfs "$work/fixtures/redis.tar"; then say "no Redis: tests that need it are skipped"; fi
cp -r examples docs "$work/fixtures/"
if [ -f "$work/tests/test/api/run.test" ]; then
	say "making clients of the API"
	hack/clients.sh "$work/fixtures/clients" || say "some tests of the API are skipped"
fi
[ $root = 0 ] || chown -R coracle-test "$work/tests"
chmod -R a+rX "$work"

# First those that take longest.
names=$(cd "$work/tests" && find . -name run.test | sed 's,^\./,,; s,/run.test$,,' | sort)
first= last=
for name in $names; do
	case $name in
	test/tutorial)
		first="$name $first"
		[ $root = 0 ] || first="test/tutorial+single $first"
		;;
	pkg/slirp)
		first="$first $name"
		[ $root = 0 ] || ! mknod -m 666 "$work/tun" c 10 200 2>/dev/null || [ ! -e /dev/net/tun ] || last="$last $name+tap"
		;;
	test/*) first="$first $name" ;;
	*) last="$last $name" ;;
	esac
done
say "testing $(echo $names | wc -w) packages"
# shellcheck disable=SC2086 # lists
printf '%s\n' $first $last | xargs -r -P "$(lanes)" -n 1 hack/run-test.sh "$work"
[ ! -s "$work/failed" ] || failed="$failed $(tr '\n' ' ' <"$work/failed")"
[ -z "$failed" ] || die "failed:$failed"
say "all tests passed"
