#!/bin/sh
# usage: hack/gen-syscalls.sh
# Write pkg/ns/seccomp/syscalls.txt: NAME AMD64 I386 ARM64, - where there is none.
# The numbers come from golang.org/x/sys/unix, at the version of go.mod.
set -eu
cd "$(dirname "$0")/.."
dir=$(go list -m -f '{{.Dir}}' golang.org/x/sys)/unix
for arch in amd64 386 arm64; do
	sed -n "s/^[[:space:]]*SYS_\([A-Z0-9_]*\)[[:space:]]*= \([0-9]*\)\$/\1 $arch \2/p" "$dir/zsysnum_linux_$arch.go"
done | awk '
	{ name = tolower($1); n[name, $2] = $3; names[name] = 1 }
	function get(name, arch) { return (name, arch) in n ? n[name, arch] : "-" }
	END { for (name in names) print name, get(name, "amd64"), get(name, "386"), get(name, "arm64") }
' | LC_ALL=C sort >pkg/ns/seccomp/syscalls.txt
