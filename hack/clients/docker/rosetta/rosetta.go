// SPDX-License-Identifier: Apache-2.0

// Package rosetta stands in for one that asks a Mac about itself.
package rosetta

import "runtime"

// Enabled reports whether programs are translated: never.
func Enabled() bool { return false }

// NativeArch is that of this machine.
func NativeArch() string { return runtime.GOARCH }
