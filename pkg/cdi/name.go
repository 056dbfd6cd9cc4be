// SPDX-License-Identifier: Apache-2.0

package cdi

import (
	"fmt"
	"strings"
)

// IsName tells a qualified name, vendor.com/class=device, from the path of a node.
func IsName(s string) bool {
	kind, device, ok := strings.Cut(s, "=")
	return ok && checkKind(kind) == nil && checkDevice(device) == nil
}

const (
	longestVendor = 253 // of a DNS name
	longestClass  = 63
)

// checkKind checks vendor.com/class, as in SPEC.md, "Kind".
func checkKind(kind string) error {
	vendor, class, ok := strings.Cut(kind, "/")
	switch {
	case !ok:
		return fmt.Errorf("kind %q is not vendor/class", kind)
	case !isLabel(vendor, isLetter, "_-.") || len(vendor) > longestVendor:
		return fmt.Errorf("kind %q: the vendor is not a name", kind)
	case !isLabel(class, isLetter, "_-.") || len(class) > longestClass:
		return fmt.Errorf("kind %q: the class is not a name", kind)
	}
	return nil
}

func checkDevice(name string) error {
	if !isLabel(name, isAlphanumeric, "_-.:") {
		return fmt.Errorf("device %q: not a name", name)
	}
	return nil
}

// isLabel reports whether s begins with what first allows, ends with a letter or
// digit, and has those and some others between.
func isLabel(s string, first func(byte) bool, others string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && !strings.Contains(others, string(rune(c))) {
			return false
		}
	}
	return s != "" && first(s[0]) && isAlphanumeric(s[len(s)-1])
}

func isLetter(c byte) bool       { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isAlphanumeric(c byte) bool { return isLetter(c) || c >= '0' && c <= '9' }
