#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs unit tests under the race detector, which needs cgo and a C compiler. An
# argument is a part of the packages' paths, as hack/test.sh has it.
#
# The packages are those in which goroutines share something and whose tests have
# them do so.
#
# Nearly all of the time goes into compiling once more, for the detector, what was
# compiled without it before: with cold caches some 130 s of processor time, nearly
# half of it for the standard library, gvisor and the registry's client, and 3 s for the
# test binary of a package. So one invocation compiles all of them, without a limit,
# since it ends on every machine; and only running has one, each package by itself:
# what goes past it hangs, and has failed. With warm caches all of it takes a minute.
set -eu
cd "$(dirname "$0")/.."
. hack/common.sh
need gcc gcc || { say "without the race detector"; exit 0; }
printf 'int main(void) { return 0; }\n' | gcc -x c -o /dev/null - 2>/dev/null || need cc libc6-dev ||
	{ say "gcc cannot link here: without the race detector"; exit 0; }
list=
for p in api cli/progress container container/client container/logfile container/supervise container/transfer \
	dockerfile/exec dockerfile/files events image network oci oci/registry \
	slirp slirp/dns slirp/l2 slirp/publish slirp/relay state trace wire worker; do
	case "pkg/$p" in *${1:-}*) [ -z "$(ls "pkg/$p"/*_test.go 2>/dev/null)" ] || list="$list ./pkg/$p" ;; esac
done
[ -n "$list" ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2086 # a list
CGO_ENABLED=1 go test -race -c -o "$work/" $list
user=
if [ "$(id -u)" = 0 ]; then
	user=coracle-test
	make_user $user
fi
for p in $list; do
	mkdir -p "$work/$p"
	[ ! -d "$p/testdata" ] || cp -r "$p/testdata" "$work/$p/"
done
chmod -R a+rwX "$work"
# The detector would wait for a second at the end of every process for what has not
# reported yet, and some tests run themselves again.
# shellcheck disable=SC2016,SC2086 # what each of them runs, and a list
printf '%s\n' $list | WORK=$work RUNNER=$user xargs -r -P "$(lanes)" -n 1 sh -c '
	out=$WORK/$1.out
	run="unset XDG_RUNTIME_DIR; cd $WORK/$1 && GORACE=atexit_sleep_ms=0 $WORK/${1##*/}.test -test.short -test.timeout 8m"
	if [ -n "$RUNNER" ]; then su "$RUNNER" -c "$run"; else sh -c "$run"; fi >"$out" 2>&1 ||
		{ echo "$1" >>"$WORK/failed"; flock "$WORK" cat "$out"; }' sh
[ ! -s "$work/failed" ] || die "failed: $(tr '\n' ' ' <"$work/failed")"
