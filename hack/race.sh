#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the unit tests of the packages in which goroutines share something under
# the race detector, which needs cgo and a C compiler. What runs in namespaces of
# its own is not among them: the detector is not forked with a bare process.
# An argument is a part of the packages' paths, as hack/test.sh has it.
set -eu
cd "$(dirname "$0")/.."
. hack/common.sh
need gcc gcc || { say "without the race detector"; exit 0; }
printf 'int main(void) { return 0; }\n' | gcc -x c -o /dev/null - 2>/dev/null || need cc libc6-dev ||
	{ say "gcc cannot link here: without the race detector"; exit 0; }
list=
for p in cli/progress container/logfile container/supervise container/transfer dockerfile/exec dockerfile/files events oci/registry slirp/dns slirp/relay state trace wire worker; do
	case "pkg/$p" in *${1:-}*) [ ! -d "pkg/$p" ] || list="$list ./pkg/$p" ;; esac
done
[ -n "$list" ] || exit 0
CGO_ENABLED=1 timeout 170 go test -race -short -count=1 -timeout 150s $list >"${TMPDIR:-/tmp}/race.$$" 2>&1 && code=0 || code=$?
grep -v 'no test files' "${TMPDIR:-/tmp}/race.$$" || true
rm -f "${TMPDIR:-/tmp}/race.$$"
[ $code != 124 ] || { say "the race detector took too long on this machine"; exit 0; }
exit $code
