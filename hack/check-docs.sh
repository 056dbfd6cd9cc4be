#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks that the README's tables of commands and abilities and docs/commands.md are
# what the command line is; with --write it makes them so. What documents say of
# commands, options, files and variables has to be so, too (hack/docs). The order of locks in
# ARCHITECTURE.md is pkg/state's, the keys in docs/compose.md are pkg/compose/convert's,
# those in docs/kubernetes.md pkg/compose/kube's. Argument: the program.
set -eu
cd "$(dirname "$0")/.."
program=$1
begin='<!-- made by `coracle __commands`; hack/check-docs.sh compares -->'
able='<!-- made by `coracle __commands --abilities`; hack/check-docs.sh compares -->'
new=$(mktemp)
trap 'rm -f "$new"' EXIT
TABLE=$("$program" __commands) ABILITIES=$("$program" __commands --abilities) awk -v begin="$begin" -v able="$able" '
$0 == begin { print; print ENVIRON["TABLE"]; skip = 1; next }
$0 == able { print; print ENVIRON["ABILITIES"]; skip = 1; next }
$0 == "<!-- end -->" || $0 == "<!-- end of abilities -->" { skip = 0 }
!skip { print }' README.md >"$new"
api=$(mktemp)
trap 'rm -f "$new" "$api"' EXIT
TABLE=$("$program" __commands --endpoints) awk '
/^<!-- made by / { print; print ENVIRON["TABLE"]; skip = 1; next }
$0 == "<!-- end -->" { skip = 0 }
!skip { print }' docs/api.md >"$api"
if [ "${2:-}" = --write ]; then
	cat "$new" >README.md
	cat "$api" >docs/api.md
	"$program" __commands --options >docs/commands.md
	exit
fi
cmp -s "$new" README.md || { echo "README.md: the table of commands or of abilities is out of date: hack/check-docs.sh PROGRAM --write" >&2; exit 1; }
cmp -s "$api" docs/api.md || { echo "docs/api.md: the table of endpoints is out of date: hack/check-docs.sh PROGRAM --write" >&2; exit 1; }
"$program" __commands --options | cmp -s - docs/commands.md || { echo "docs/commands.md is out of date: hack/check-docs.sh PROGRAM --write" >&2; exit 1; }
go run ./hack/docs "$program" || exit 1
for name in $(grep -o 'Test[A-Z][A-Za-z0-9]*' docs/hosts.md | sort -u); do
	grep -rqs "^func $name(" test pkg --include='*_test.go' || { echo "docs/hosts.md: there is no test $name" >&2; exit 1; }
done
go test ./pkg/state -count=1 -run TestLockOrderIsDocumented >/dev/null || { echo "ARCHITECTURE.md: the order of locks is out of date: go test ./pkg/state" >&2; exit 1; }
go test ./pkg/compose/kube -count=1 -run TestKeysAreDocumented >/dev/null || { echo "docs/kubernetes.md: the table of keys is out of date: go test ./pkg/compose/kube -run TestKeysAreDocumented -write" >&2; exit 1; }
go test ./pkg/compose/convert -count=1 -run TestKeysAreDocumented >/dev/null || { echo "docs/compose.md: the table of keys is out of date: go test ./pkg/compose/convert -run TestKeysAreDocumented -write" >&2; exit 1; }
