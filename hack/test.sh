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
	need chromium-headless-shell chromium-headless-shell || true # 96 MB; half a minute at most
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
	[ -z "${group:-}" ] || rmdir "$group"/*/ "$group" 2>/dev/null || true
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
for pkg in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
	dir=${pkg#coracle/}
	case "$dir" in *${1:-}*) ;; *) continue ;; esac
	mkdir -p "$work/tests/$dir"
	go test -c -o "$work/tests/$dir/run.test" "./$dir"
	[ ! -d "$dir/testdata" ] || cp -r "$dir/testdata" "$work/tests/$dir/"
done

say "making root file systems"
if ! busybox_rootfs "$work/fixtures/busybox.tar"; then say "no busybox: tests that need it are skipped"; fi
if ! python_rootfs "$work/fixtures/python.tar"; then say "no Python packages: tests that need them are skipped"; fi
if ! redis_rootfs "$work/fixtures/redis.tar"; then say "no Redis: tests that need it are skipped"; fi
cp -r examples docs "$work/fixtures/"
if [ -f "$work/tests/test/api/run.test" ]; then
	say "making clients of the API"
	hack/clients.sh "$work/fixtures/clients" || say "some tests of the API are skipped"
fi
chmod -R a+rX "$work"

CORACLE_BIN=$work/coracle
CORACLE_FIXTURES=$work/fixtures
CORACLE_SINGLE_USER=
unset XDG_RUNTIME_DIR || true
export CORACLE_BIN CORACLE_FIXTURES
[ $root = 0 ] || chown -R coracle-test "$work/tests"

# A part of the cgroup2 tree for the user, where there is a tree and it can be
# written.
group=
if [ $root = 1 ]; then
	tree=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	group=$tree/coracle-test
	if [ -n "$tree" ] && mkdir -p "$group" 2>/dev/null; then
		chown coracle-test "$group" "$group/cgroup.procs" "$group/cgroup.subtree_control" "$group/cgroup.threads"
	else
		group=
	fi
fi

# as_user COMMAND
as_user() {
	if [ -n "$group" ]; then
		sh -c 'echo $$ >"$1/cgroup.procs" && exec su coracle-test -c "$2"' sh "$group" \
			"PATH='$PATH' CORACLE_BIN='$CORACLE_BIN' CORACLE_FIXTURES='$CORACLE_FIXTURES' $1"
	elif [ $root = 1 ]; then
		su coracle-test -c "PATH='$PATH' CORACLE_BIN='$CORACLE_BIN' CORACLE_FIXTURES='$CORACLE_FIXTURES' $1"
	else
		sh -c "$1"
	fi
}

# report prints what matters of a test's output: all of it after a failure, else
# what was skipped, and why.
report() {
	if grep -q -E '^(FAIL|panic:)' "$work/out"; then
		grep -v -E '^(=== (RUN|PAUSE|CONT)|--- PASS|PASS)' "$work/out"
	else
		grep -B1 -E '^ *--- SKIP' "$work/out" || true
		grep -c -E '^--- PASS' "$work/out" | sed 's/$/ tests passed/'
	fi
}

for test in $(find "$work/tests" -name run.test | sort); do
	dir=$(dirname "$test")
	say "testing ${dir#"$work/tests/"}"
	as_user "cd '$dir' && ./run.test -test.v -test.timeout 15m" >"$work/out" 2>&1 || failed="$failed ${dir#"$work/tests/"}"
	report
done

# Without veth pairs the network needs a TAP device, which many hosts keep from
# their users: here is one, for these tests alone.
if [ $root = 1 ] && [ -f "$work/tests/pkg/slirp/run.test" ] && mknod -m 666 "$work/tun" c 10 200 2>/dev/null && [ -e /dev/net/tun ]; then
	say "testing pkg/slirp with TAP devices"
	COMMAND="cd '$work/tests/pkg/slirp' && ./run.test -test.v -test.run Tap -test.timeout 5m" TUN=$work/tun unshare -m \
		sh -c 'mount --bind "$TUN" /dev/net/tun && exec su coracle-test -c "$COMMAND"' >"$work/out" 2>&1 || failed="$failed pkg/slirp(TAP)"
	report
fi

# The tutorial also goes through with a single id.
if [ $root = 1 ] && [ -f "$work/tests/test/tutorial/run.test" ]; then
	say "testing test/tutorial with a single id"
	chmod -R a+rX "$work/tests"
	su coracle-single -c "cd / && PATH='$PATH' CORACLE_BIN='$CORACLE_BIN' CORACLE_FIXTURES='$CORACLE_FIXTURES' '$work/tests/test/tutorial/run.test' -test.v -test.timeout 15m" >"$work/out" 2>&1 ||
		failed="$failed test/tutorial(single)"
	report
fi
[ -z "$failed" ] || die "failed:$failed"
say "all tests passed"
