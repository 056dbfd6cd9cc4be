// SPDX-License-Identifier: Apache-2.0

package state

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// NewID returns a fresh ID of 64 hex digits, for a container or whatever else
// needs a name that nobody has. The first twelve are never all decimal: the
// short form is the hostname, and a hostname of digits reads as a number to some
// programs.
func NewID() string {
	for {
		var b [32]byte
		_, _ = rand.Read(b[:])
		id := hex.EncodeToString(b[:])
		if strings.ContainsAny(id[:12], "abcdef") {
			return id
		}
	}
}

// IsID reports whether s has the form of a whole ID.
func IsID(s string) bool { return len(s) == 64 && IsHex(s) }

// IsHex reports whether s may be the beginning of an ID.
func IsHex(s string) bool { return s != "" && strings.Trim(s, "0123456789abcdef") == "" }
