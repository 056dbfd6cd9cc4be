// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	_ "embed"
	"runtime"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

//go:embed syscalls.txt
var syscalls string

// abi is one way into the kernel.
type abi struct {
	arch   specs.Arch
	audit  uint32 // AUDIT_ARCH_*, see linux/audit.h
	column int    // in syscalls.txt
	x32    bool   // numbers with bit 30 set belong to another ABI
}

// abis are those of the running machine, its own first.
func abis() []abi {
	if runtime.GOARCH == "arm64" {
		return []abi{{arch: specs.ArchAARCH64, audit: unix.AUDIT_ARCH_AARCH64, column: 3}}
	}
	return []abi{
		{arch: specs.ArchX86_64, audit: unix.AUDIT_ARCH_X86_64, column: 1, x32: true},
		{arch: specs.ArchX86, audit: unix.AUDIT_ARCH_I386, column: 2},
	}
}

// numbers returns the system calls of an ABI by name. The table is read when a
// profile is compiled, not when the program starts.
func numbers(a abi) map[string]uint32 {
	m := make(map[string]uint32, 512)
	for line := range strings.Lines(syscalls) {
		f := strings.Fields(line)
		if n, err := strconv.ParseUint(f[a.column], 10, 32); err == nil {
			m[f[0]] = uint32(n)
		}
	}
	return m
}
