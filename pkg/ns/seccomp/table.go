// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	_ "embed"
	"runtime"
	"slices"
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

// call is one line of the table: a system call, and its number by column, below
// zero where an ABI has none.
type call struct {
	name    string
	numbers [4]int32
}

// table is sorted by name. It is read when a profile is compiled, not when the
// program starts.
func table() []call {
	list := make([]call, 0, strings.Count(syscalls, "\n"))
	for line := range strings.Lines(syscalls) {
		var c call
		column := 0
		for field := range strings.FieldsSeq(line) {
			switch {
			case column == 0:
				c.name = field
			case field == "-":
				c.numbers[column] = -1
			default:
				n, _ := strconv.ParseInt(field, 10, 32) // the script wrote it
				c.numbers[column] = int32(n)
			}
			column++
		}
		list = append(list, c)
	}
	return list
}

// find is the place of a call in the table.
func find(calls []call, name string) (int, bool) {
	return slices.BinarySearchFunc(calls, name, func(c call, name string) int { return strings.Compare(c.name, name) })
}
