#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Looks for mistakes (staticcheck), for functions that nothing calls (deadcode) and
# for imports that are not in three groups: the standard library's, others', ours
# (goimports). They come through the module proxy at the versions below; without
# one it is left out with a word. What only tests, builds with other tags or
# rooms that are being moved into call is in hack/lint-keeps.
set -eu
cd "$(dirname "$0")/.."
. hack/common.sh
STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEADCODE=golang.org/x/tools/cmd/deadcode@v0.52.0
GOIMPORTS=golang.org/x/tools/cmd/goimports@v0.52.0
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT

# get TOOL@VERSION: builds it, or says that it cannot be had.
get() {
	GOBIN=$bin GOFLAGS= timeout 180 go install "$1" >"$bin/log" 2>&1 && return
	say "without ${1##*/}: $(tail -n 1 "$bin/log")"
	return 1
}

failed=0
# ST1005: many errors are Docker's own sentences, which begin with a capital.
# SA1019: fields of specifications that are deprecated are still in files of others.
if get $STATICCHECK; then
	"$bin/staticcheck" -checks 'inherit,-ST1005,-SA1019' ./... || failed=1
fi
if get $DEADCODE; then
	"$bin/deadcode" -filter '^coracle(/pkg/|$)' ./... | grep -v -F -f hack/lint-keeps >"$bin/dead" || true
	if [ -s "$bin/dead" ]; then
		cat "$bin/dead"
		failed=1
	fi
fi
# goimports leaves blank lines where they are: a group of its own for one of ours
# is looked for by itself.
uneven=$(git ls-files '*.go' | xargs awk '
	FNR == 1 { inside = 0 }
	/^import \($/ { inside = 1; groups = 0; before = "" }
	inside && /^\t.*"coracle\// && before == "" { groups++ }
	inside && groups == 2 { print FILENAME ": imports of ours in two groups"; inside = 0 }
	inside { before = $0 }
	/^\)$/ { inside = 0 }')
if get $GOIMPORTS; then
	uneven=$uneven$("$bin/goimports" -local coracle -l $(git ls-files '*.go'))
fi
if [ -n "$uneven" ]; then
	echo "$uneven"
	failed=1
fi
exit $failed
