// SPDX-License-Identifier: Apache-2.0

package container

import (
	"syscall"

	"coracle/pkg/oci/spec"
)

// ParseSignal reads a signal's name, with or without SIG, or its number.
func ParseSignal(s string) (syscall.Signal, error) { return spec.ParseSignal(s) }

// StopSignal is the signal that ends a container whose image or user said s;
// a signal that does not exist is an image's mistake and means SIGTERM.
func StopSignal(s string) syscall.Signal {
	if sig, err := ParseSignal(s); err == nil {
		return sig
	}
	return syscall.SIGTERM
}
