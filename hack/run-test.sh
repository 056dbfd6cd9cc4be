#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# hack/run-test.sh WORK NAME: runs the tests of one package, which hack/test.sh has
# compiled in WORK, and reports them when they have ended. A failure is noted in
# WORK/failed. NAME is the package's directory; with root's help also
#   pkg/slirp+tap           Without veth pairs the network needs a TAP device, which many
#                           hosts keep from their users: there is one for these tests alone
#   test/tutorial+single    the tutorial also goes through with a single id
set -u
work=$1 name=$2 group=
dir=$work/tests/${name%+*}
out=$work/out.$(echo "$name" | tr / -)
command="cd '$dir' && PATH='$PATH' CORACLE_BIN='$work/coracle' CORACLE_FIXTURES='$work/fixtures' ./run.test -test.v -test.timeout 15m"
unset XDG_RUNTIME_DIR || true

# A part of the cgroup2 tree for the user, where there is a tree and it can be
# written.
make_group() {
	tree=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[ -n "$tree" ] || return 0
	group=$tree/coracle-test-$(basename "$out")
	if mkdir -p "$group" 2>/dev/null; then
		chown coracle-test "$group" "$group/cgroup.procs" "$group/cgroup.subtree_control" "$group/cgroup.threads"
	else
		group=
	fi
}

case "$(id -u) $name" in
"0 test/tutorial+single") su coracle-single -c "$command" ;;
"0 pkg/slirp+tap")
	COMMAND="$command -test.run Tap" TUN=$work/tun unshare -m \
		sh -c 'mount --bind "$TUN" /dev/net/tun && exec su coracle-test -c "$COMMAND"'
	;;
"0 "*)
	make_group
	GROUP=$group COMMAND=$command sh -c '[ -z "$GROUP" ] || echo $$ >"$GROUP/cgroup.procs" && exec su coracle-test -c "$COMMAND"'
	;;
*) sh -c "$command" ;;
esac >"$out" 2>&1 && good=1 || good=
[ "$good" ] || echo "$name" >>"$work/failed"
[ -z "$group" ] || rmdir "$group"/*/ "$group" 2>/dev/null

# Of a failure all that matters, else what was skipped and why; at once, since
# others report, too.
{
	echo "test: $name"
	if [ ! "$good" ]; then
		grep -v -E '^(=== (RUN|PAUSE|CONT)|--- PASS|PASS)' "$out"
	else
		grep -B1 -E '^ *--- SKIP' "$out"
		grep -c -E '^--- PASS' "$out" | sed 's/$/ tests passed/'
	fi
} >"$out.report"
flock "$work" cat "$out.report" >&2
